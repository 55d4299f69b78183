//! Engines `fuse` and `lsm`: the planes themselves, asked by real system calls in a sandbox.
//!
//! A denial counts only with the event that names its rule, and only if the same call on the same objects succeeds
//! outside the sandbox. What a call gets is compared with the effective decision on the image first; the answer to
//! the question follows from that.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use boesfs_abi::image::ValidImage;
use boesfs_abi::judge::{self, Caller, Judge};
use boesfs_abi::op::{Coverage, Op};
use boesfs_abi::request::Request;
use boesfs_abi::subjects::base_name;
use boesfs_abi::verdict::{Reason, Verdict};
use boesfs_runtime::events::escape;
use boesfs_runtime::plane::Plane;
use boesfs_runtime::policy::{self, PolicyError};
use tempfile::TempDir;

use super::programs::{find_boesfs, has_interpreter};
use super::{Engine, Prepared, Unsupported};
use crate::policy::Policy;
use crate::provoke::expectation::{Expectation, expectation};
use crate::provoke::scenario::{Scenario, scenario};
use crate::provoke::session::{Event, Session, SessionError, Wanted};
use crate::provoke::tree::{Object, Tree};
use crate::question::{Answer, Because, Judged, Outcome, Question};

/// Where decisions are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealPlane {
    /// A pass-through file system.
    Fuse,
    /// Programs in the kernel.
    Lsm,
}

impl RealPlane {
    /// Its name on command lines and in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fuse => "fuse",
            Self::Lsm => "lsm",
        }
    }

    /// How exactly it enforces `op`.
    #[must_use]
    pub fn coverage(self, op: Op) -> Coverage {
        match self {
            Self::Fuse => op.spec().fuse,
            Self::Lsm => op.spec().lsm,
        }
    }
}

impl From<RealPlane> for Plane {
    fn from(plane: RealPlane) -> Self {
        match plane {
            RealPlane::Fuse => Self::Fuse,
            RealPlane::Lsm => Self::Lsm,
        }
    }
}

/// A plane as an engine.
#[derive(Debug)]
pub(super) struct PlaneEngine {
    plane: RealPlane,
    bench: OnceCell<Result<Rc<Bench>, Unsupported>>,
}

impl PlaneEngine {
    pub(super) fn new(plane: RealPlane) -> Self {
        Self { plane, bench: OnceCell::new() }
    }
}

impl Engine for PlaneEngine {
    fn name(&self) -> &'static str {
        self.plane.name()
    }

    fn prepare<'p>(&self, policy: &'p Policy) -> Result<Box<dyn Prepared + 'p>, Unsupported> {
        policy::check_coverage(policy.image(), self.plane.into()).map_err(|error| {
            Unsupported(match error {
                PolicyError::Unenforceable { op, why, .. } => {
                    format!("refuses a policy that denies {op}: {why}")
                }
                other => other.to_string(),
            })
        })?;
        let bench = self.bench.get_or_init(|| Bench::set_up(self.plane).map(Rc::new)).clone()?;
        let image = bench.place(policy.image_file()).map_err(|error| Unsupported(error.to_string()))?;
        Ok(Box::new(Sandboxes { policy, bench, image, tenants: HashMap::new(), complaints: Vec::new() }))
    }
}

/// What all sandboxes of one plane share.
#[derive(Debug)]
struct Bench {
    plane: RealPlane,
    folder: TempDir,
    boesfs: PathBuf,
    prober: PathBuf,
    count: std::cell::Cell<u64>,
    /// A sandbox that does nothing: as long as there is one, the plane keeps what all of them share.
    idle: std::cell::RefCell<Option<(Tree, Session)>>,
}

impl Bench {
    /// Finds the programs, and proves that the plane denies here at all.
    fn set_up(plane: RealPlane) -> Result<Self, Unsupported> {
        let because = |what: &str, error: &dyn std::fmt::Display| Unsupported(format!("{what}: {error}"));
        let this = std::env::current_exe().map_err(|error| because("this program is not found", &error))?;
        let bytes = fs::read(&this).map_err(|error| because("this program cannot be read", &error))?;
        if has_interpreter(&bytes) {
            return Err(Unsupported(
                "this testbench is linked dynamically, so it cannot be the program in a bare root directory"
                    .into(),
            ));
        }
        let boesfs = find_boesfs(&this)
            .ok_or_else(|| Unsupported("there is no `boesfs` beside the testbench or on PATH".into()))?;
        let folder = tempfile::Builder::new()
            .prefix("boesfs-testbench-")
            .tempdir()
            .map_err(|error| because("no temporary directory", &error))?;
        let prober = folder.path().join("prober");
        fs::copy(&this, &prober).map_err(|error| because("the prober cannot be placed", &error))?;
        let bench = Self { plane, folder, boesfs, prober, count: std::cell::Cell::new(0), idle: None.into() };
        bench.canary().map_err(|error| because("the plane cannot be had here", &error))?;
        Ok(bench)
    }

    /// A number not given before.
    fn next(&self) -> u64 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    fn place(&self, image: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.path().join(format!("policy-{}.bin", self.next()));
        fs::write(&path, image)?;
        Ok(path)
    }

    /// Starts a sandbox under a policy that denies nothing.
    fn canary(&self) -> Result<(), SessionError> {
        let image = self.place(Policy::allowing_all().image_file())?;
        *self.idle.borrow_mut() = Some(self.sandbox(
            &image,
            b"/prober",
            &format!("canary-{}-{}", self.plane.name(), std::process::id()),
            b"/",
        )?);
        Ok(())
    }

    fn sandbox(
        &self,
        image: &Path,
        sub: &[u8],
        name: &str,
        dir: &[u8],
    ) -> Result<(Tree, Session), SessionError> {
        let number = self.next();
        let program = if sub.contains(&b'/') { sub.to_vec() } else { [b"/usr/bin/", sub].concat() };
        let tree = Tree::new(self.folder.path().join(format!("root-{number}")), &self.prober, &program, dir)?;
        let session = Session::start(Wanted {
            boesfs: &self.boesfs,
            plane: self.plane,
            image,
            root: tree.root(),
            dir: OsStr::from_bytes(dir),
            name,
            program: OsStr::from_bytes(sub),
            events: &self.folder.path().join(format!("events-{number}")),
        })?;
        Ok((tree, session))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some((_, session)) = self.idle.take() {
            // What it was for is done.
            let _ = session.finish();
        }
    }
}

/// The sandboxes of one policy: one for each subject, domain and protected directory that is asked about.
struct Sandboxes<'p> {
    policy: &'p Policy,
    bench: Rc<Bench>,
    image: PathBuf,
    tenants: HashMap<Tenant, Running>,
    complaints: Vec<String>,
}

/// One sandbox, and the denials that have been explained in it, by operation and object: the kernel may ask for one
/// call more than once.
struct Running {
    tree: Tree,
    session: Session,
    explained: HashSet<(Op, String)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Tenant {
    sub: Vec<u8>,
    dom: Option<Vec<u8>>,
    dir: Vec<u8>,
}

impl Prepared for Sandboxes<'_> {
    fn ask(&mut self, question: &Question) -> Outcome {
        match self.provoke(question) {
            Ok(outcome) => outcome,
            Err(error) => {
                // The next question gets a new sandbox.
                self.tenants.remove(&tenant(question));
                Outcome::Failed(error.to_string())
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Vec<String> {
        self.end(|_| true);
        self.complaints
    }
}

fn tenant(question: &Question) -> Tenant {
    let dir = match &question.judged {
        Judged::Decision => b"/".to_vec(),
        Judged::Effective { dir } => dir.clone(),
    };
    Tenant { sub: question.request.sub().to_vec(), dom: question.request.dom().map(<[u8]>::to_vec), dir }
}

fn stray(sub: &str, event: &Event, explained: &HashSet<(Op, String)>) -> Option<String> {
    let op = event.op.as_deref().and_then(Op::from_name).map(Op::decided_as);
    let known = op.zip(event.path.clone()).is_some_and(|denial| explained.contains(&denial));
    // The C library of the prober, and of what it executes, reads there when it starts.
    let own = event.path.as_deref().is_some_and(|path| path == "/proc" || path.starts_with("/proc/"));
    (event.verdict != "allow" && !known && !own).then(|| {
        format!(
            "{sub}: a denial that no call explains: {} {} ({})",
            event.op.as_deref().unwrap_or("-"),
            event.path.as_deref().unwrap_or("-"),
            event.reason.as_deref().unwrap_or("rule")
        )
    })
}

impl Sandboxes<'_> {
    /// Ends the sandboxes of `which` tenants and looks at what they have left to say.
    fn end(&mut self, which: impl Fn(&Tenant) -> bool) {
        for (tenant, running) in self.tenants.extract_if(|tenant, _| which(tenant)) {
            let sub = String::from_utf8_lossy(&tenant.sub).into_owned();
            let Running { session, explained, .. } = running;
            match session.finish() {
                Ok(events) => {
                    self.complaints.extend(events.iter().filter_map(|event| stray(&sub, event, &explained)))
                }
                Err(error) => self.complaints.push(format!("{sub}: {error}")),
            }
        }
    }

    /// A sandbox's name is its domain, and only one at a time can have it.
    fn end_namesakes(&mut self, dom: &[u8]) {
        self.end(|tenant| tenant.dom.as_deref() == Some(dom));
    }

    fn provoke(&mut self, question: &Question) -> Result<Outcome, SessionError> {
        let request = &question.request;
        let skipped = |reason: &str| Ok(Outcome::Skipped(reason.to_owned()));
        if let Coverage::Unenforceable(why) = self.bench.plane.coverage(request.op()) {
            return skipped(&format!("{} is not enforced on this plane: {why}", request.op()));
        }
        if let Err(reason) = runnable(request) {
            return skipped(reason);
        }
        let scenario = match scenario(request, self.bench.plane) {
            Ok(scenario) => scenario,
            Err(reason) => return skipped(&reason),
        };
        let tenant = tenant(question);
        if !self.tenants.contains_key(&tenant) {
            let name = match tenant.dom.as_deref() {
                Some(dom) => {
                    self.end_namesakes(dom);
                    String::from_utf8_lossy(dom).into_owned()
                }
                None => format!("testbench-{}-{}", std::process::id(), self.bench.next()),
            };
            let (tree, session) = self.bench.sandbox(&self.image, &tenant.sub, &name, &tenant.dir)?;
            let running = Running { tree, session, explained: HashSet::new() };
            self.tenants.insert(tenant.clone(), running);
        }
        let Some(Running { tree, session, explained }) = self.tenants.get_mut(&tenant) else {
            return skipped("the sandbox is gone");
        };

        // The positive control: without a policy, the same call on the same objects succeeds.
        let objects: Vec<(&[u8], Object)> =
            scenario.objects.iter().map(|(path, object)| (path.as_slice(), *object)).collect();
        if let Err(error) = tree.arrange(&objects) {
            return skipped(&format!("the objects cannot be made: {}", error.kind()));
        }
        if let Err(errno) = scenario.call.below(tree.root()).perform() {
            return skipped(&format!(
                "fails without a policy too: {}",
                io::Error::from_raw_os_error(errno).kind()
            ));
        }
        tree.arrange(&objects)?;

        let (plane, image) = (self.bench.plane, self.policy.image());
        let caller = Caller {
            class: image.class_of(request.sub(), request.dom()),
            uid: Some(rustix::process::getuid().as_raw()),
            gid: Some(rustix::process::getgid().as_raw()),
        };
        let judge = Judge::new(image, &tenant.dir);
        let kind = made_kind(&scenario);
        let expected = expectation(&judge, &caller, &scenario.call, kind, self.bench.plane);

        let sub = String::from_utf8_lossy(request.sub()).into_owned();
        let errno = session.perform(&scenario.call)?;
        let mut events = session.events()?;
        let found = |events: &[Event]| {
            std::iter::once(&expected.exact)
                .chain(&expected.stricter)
                .find(|wanted| {
                    is_result(wanted, errno) && events.iter().any(|event| tells(plane, image, event, wanted))
                })
                .cloned()
        };
        let got = if errno == 0 {
            expected.exact.allowed().then(|| expected.exact.clone())
        } else {
            if errno == expected.exact.errno && !expected.exact.report {
                return skipped("denied without an event, as the rule wants, so it cannot be told by whom");
            }
            let silent = refused_by_kernel(plane, &expected.exact, errno);
            // A denial that nothing explains will not turn into one of those that may come.
            let strays =
                |events: &[Event]| events.iter().any(|event| stray(&sub, event, explained).is_some());
            while found(&events).is_none() && !silent && !strays(&events) {
                if session.wait_for_events().is_err() {
                    break;
                }
                events.extend(session.events()?);
            }
            if silent { Some(expected.exact.clone()) } else { found(&events) }
        };
        let Some(got) = got else {
            return Ok(Outcome::Failed(self.contradiction(&expected, errno, &events)));
        };
        if got.verdict == Verdict::Deny {
            explained.insert((got.op.decided_as(), escape(&got.path)));
        }
        self.complaints.extend(events.iter().filter_map(|event| stray(&sub, event, explained)));
        Ok(self.answer(question, &judge, &caller, &got))
    }

    fn contradiction(&self, expected: &Expectation, errno: i32, events: &[Event]) -> String {
        let wanted = &expected.exact;
        let rule =
            wanted.at.and_then(|at| self.policy.image().rule(&wanted.path, at)).map_or("-", |rule| rule.id);
        let told: Vec<String> = events
            .iter()
            .map(|event| {
                format!(
                    "{} {} {} rule {} reason {}",
                    event.verdict,
                    event.op.as_deref().unwrap_or("-"),
                    event.path.as_deref().unwrap_or("-"),
                    event.rule.as_ref().map_or("-", |rule| rule.id.as_str()),
                    event.reason.as_deref().unwrap_or("-")
                )
            })
            .collect();
        format!(
            "the image says {} by {} of {} (rule {rule}, {}, errno {}), the call got errno {errno}, events [{}]",
            wanted.verdict,
            wanted.op,
            String::from_utf8_lossy(&wanted.path),
            wanted.reason.name(),
            wanted.errno,
            told.join("; ")
        )
    }

    /// The answer to the question that follows from what the call got.
    fn answer(
        &self,
        question: &Question,
        judge: &Judge<'_>,
        caller: &Caller,
        got: &judge::Outcome,
    ) -> Outcome {
        let request = &question.request;
        let image = self.policy.image();
        let asked = match &question.judged {
            Judged::Decision => image.decide_request(request).verdict,
            Judged::Effective { .. } => {
                judge.ask(caller, request.obj(), request.kind, request.op(), request.args()).verdict
            }
        };
        if asked != got.verdict {
            return Outcome::Skipped(match asked {
                Verdict::Allow => {
                    "a call does more than the operation asked, or is judged more strictly here".into()
                }
                Verdict::Deny => "a call has values that the question leaves open".into(),
            });
        }
        let itself = got.op.decided_as() == request.op().decided_as() && got.path == request.obj();
        let because = match (got.verdict, itself) {
            (Verdict::Deny, true) => match got.at.and_then(|at| image.rule_index(&got.path, at)) {
                Some(rule) => Because::Rule(rule),
                None if got.reason == Reason::Default => Because::Default,
                None => Because::Untold,
            },
            (Verdict::Deny, false) | (Verdict::Allow, _) => Because::Untold,
        };
        let stopped = got.verdict == Verdict::Deny && !itself;
        Outcome::Answered(Answer {
            verdict: got.verdict,
            because,
            stopped_by: stopped.then(|| (got.op, got.path.clone())),
        })
    }
}

/// Whether the kernel refuses the call itself, because of how a FUSE server has set things up, so that nobody can tell of
/// it: a move from one mount to another, and a shared mapping of a file that may not be mapped.
fn refused_by_kernel(plane: RealPlane, wanted: &judge::Outcome, errno: i32) -> bool {
    const ENODEV: i32 = 19;
    let moved = wanted.reason == Reason::CrossesEdge && errno == wanted.errno;
    let mapped = wanted.op == Op::Mmap && errno == ENODEV;
    plane == RealPlane::Fuse && !wanted.allowed() && (moved || mapped)
}

/// Whether `event` tells of the denial `wanted`.
fn tells(plane: RealPlane, image: &ValidImage, event: &Event, wanted: &judge::Outcome) -> bool {
    let rule = wanted.at.and_then(|at| image.rule(&wanted.path, at)).map(|rule| (rule.id, rule.line));
    event.verdict == "deny"
        && event.plane == plane.name()
        && event.op.as_deref().and_then(Op::from_name).map(Op::decided_as) == Some(wanted.op.decided_as())
        && event.rule.as_ref().map(|rule| (rule.id.as_str(), rule.line)) == rule
        && (wanted.reason == Reason::Rule) == event.reason.is_none()
}

fn is_result(wanted: &judge::Outcome, errno: i32) -> bool {
    !wanted.allowed() && wanted.errno == errno
}

/// The kind of the call's object, or of what it makes.
fn made_kind(scenario: &Scenario) -> Option<boesfs_abi::request::Kind> {
    scenario.objects.first().and_then(|(_, object)| object.kind())
}

/// Whether a program of the request's subject can be run, by the caller it names.
fn runnable(request: &Request) -> Result<(), &'static str> {
    let sub = request.sub();
    if base_name(sub).is_empty() || (sub.contains(&b'/') && !boesfs_abi::request::is_canonical(sub)) {
        return Err("the subject is no name a program can have");
    }
    if request.uid.is_some_and(|uid| uid != rustix::process::getuid().as_raw())
        || request.gid.is_some_and(|gid| gid != rustix::process::getgid().as_raw())
    {
        return Err("the caller is another user or group");
    }
    Ok(())
}
