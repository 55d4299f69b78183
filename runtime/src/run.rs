//! `boesfs run`: from the command line to an exit status.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use boesfs_abi::image::ValidImage;
use boesfs_abi::op::{Op, OpSet};
use serde::Serialize;

use crate::cli::{Format, Outside, RunArgs};
use crate::engines::{self, Started};
use crate::events::Log;
use crate::plane::{EngineError, Entry, ExecGate, Folding, Plane, Seal, Setup, Told, exec_gate};
use crate::policy;
use crate::sandbox::plan::{Fixture, Plan};
use crate::sandbox::root::Root;
use crate::sandbox::{self, Beginning, Config, Ending, Failure, Outcome};
use crate::tenants::{self, Tenant, TenantPlane};
use crate::trust;

/// The exit status for a sandbox that could not be set up.
pub const SETUP_FAILED: u8 = 125;
/// How many events of one kind are told in a second, where the caller does not say.
const EVENT_RATE: u32 = 1000;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
const KILLED: u8 = 128 + 9;

/// A reason not to run anything, as it is told.
#[derive(Debug)]
pub struct Refusal(String);

impl Refusal {
    /// The refusal for `reason`.
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs what `args` say; returns the exit status. The process must be single-threaded.
#[must_use]
pub fn run(args: &RunArgs) -> u8 {
    match prepare(args).and_then(|prepared| prepared.carry_out(args)) {
        Ok(status) => status,
        Err(refusal) => complain(&refusal, SETUP_FAILED),
    }
}

/// Writes `text` to the standard output; the exit status. A reader that has seen enough is no error.
#[must_use]
pub fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format_args!("standard output: {error}"), SETUP_FAILED)
        }
        Ok(()) | Err(_) => 0,
    }
}

pub(crate) fn complain(what: &dyn fmt::Display, status: u8) -> u8 {
    eprintln!("boesfs: {what}");
    status
}

fn no_plane(reasons: Vec<EngineError>) -> Refusal {
    let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    Refusal(format!("no plane to enforce the policy on: {}", reasons.join("; ")))
}

/// Everything that has been checked before anything is done.
struct Prepared {
    image: Arc<ValidImage>,
    config: Config,
    permissive: bool,
    kill_after_override: Option<NonZeroU64>,
    told: Told,
    folding: Folding,
    seal: Seal,
    /// Where its revision is to be written down.
    ledger: Option<PathBuf>,
}

fn prepare(args: &RunArgs) -> Result<Prepared, Refusal> {
    let image = policy::load(&args.policy).map_err(Refusal::new)?;
    let vouched = match args.trust.as_slice() {
        [] => None,
        keys => {
            let keys = trust::keys(keys).map_err(Refusal::new)?;
            Some(trust::vouched(&image, &keys).map_err(Refusal::new)?)
        }
    };
    sandbox::given_descriptors().map_err(Refusal::new)?;
    let root = Root::open(&args.root)
        .map_err(|error| Refusal(format!("root directory `{}`: {error}", args.root.display())))?;
    let dir = sandbox::protected_directory(&root, &args.dir).map_err(Refusal::new)?;
    match args.outside {
        Outside::Refuse => policy::check_outside(&image, &dir).map_err(Refusal::new)?,
        Outside::Allow => {}
    }
    warn(policy::check_links(&image, &root).map_err(Refusal::new)?);
    if let (Some(signed), Some(ledger)) = (vouched, &args.ledger) {
        trust::check_revision(ledger, signed, &image.id_hex()).map_err(Refusal::new)?;
    }
    let config = Config {
        name: args.name.clone().unwrap_or_else(|| format!("sandbox-{}", std::process::id())),
        policy: image.id_hex(),
        cwd: working_directory(&root)?,
        dir,
        root,
        command: args.command.iter().map(|word| c_string(word.clone())).collect::<Result<_, _>>()?,
        environment: std::env::vars_os().map(variable).collect::<Result<_, _>>()?,
        kill_after: args.kill_after.or_else(|| image.kill_after().and_then(NonZeroU64::new)),
        denies_watching: !image.may_deny().intersection(WATCHING).is_empty(),
        tells_programs_apart: !image.entry_subject() && image.classes().count() > 1,
    };
    let wanted = args.events.is_some() || args.verbose;
    Ok(Prepared {
        image: Arc::new(image),
        config,
        permissive: args.permissive,
        kill_after_override: args.kill_after,
        seal: if args.seal { Seal::Wanted } else { Seal::AsItIs },
        told: if wanted { Told::Somebody(args.event_rate.unwrap_or(EVENT_RATE)) } else { Told::Nobody },
        folding: if args.event_rate.is_some_and(|rate| rate > 0) { Folding::Wanted } else { Folding::AsItIs },
        ledger: args.ledger.clone(),
    })
}

pub(crate) fn warn(warnings: Vec<String>) {
    for warning in warnings {
        eprintln!("boesfs: warning: {warning}");
    }
}

/// The caller's working directory as the sandbox sees it; the root if it does not see it.
fn working_directory(root: &Root) -> Result<PathBuf, Refusal> {
    let outside = std::env::current_dir()
        .map_err(|error| Refusal(format!("cannot tell the working directory: {error}")))?;
    Ok(root.seen_inside(&outside).unwrap_or_else(|| PathBuf::from("/")))
}

fn variable((name, value): (OsString, OsString)) -> Result<CString, Refusal> {
    c_string(OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat()))
}

fn c_string(word: OsString) -> Result<CString, Refusal> {
    CString::new(word.into_vec()).map_err(Refusal::new)
}

/// What watching a directory or a file asks.
const WATCHING: OpSet = OpSet::of(&[Op::Iterate, Op::Getattr]);

/// A dry run, as JSON.
#[derive(Serialize)]
struct DryRun<'a> {
    version: u32,
    sandbox: &'a str,
    policy: &'a str,
    plane: Plane,
    kill_after: Option<u64>,
    #[serde(flatten)]
    plan: &'a Plan,
}

impl Prepared {
    fn carry_out(&self, args: &RunArgs) -> Result<u8, Refusal> {
        if args.dry_run {
            let chosen = engines::choose(args.plane).map_err(no_plane)?;
            warn(policy::check_coverage(&self.image, chosen.plane).map_err(Refusal::new)?);
            return self.print_plan(chosen.plane, args.format);
        }
        let mut log = match &args.events {
            Some(path) => Log::open(path).map_err(Refusal::new)?,
            None => Log::counting(),
        };
        let Started { mut engine, rejected } = engines::start(args.plane, self.setup()?).map_err(no_plane)?;
        if args.verbose {
            eprintln!("boesfs: policy {}", self.config.policy);
            match rejected {
                Some(why) => eprintln!("boesfs: taking the {} plane ({why})", engine.plane()),
                None => eprintln!("boesfs: taking the {} plane", engine.plane()),
            }
        }
        // The lsm plane's sandboxes are written down with what the engine knows of them.
        let mut held = match engine.plane() {
            Plane::Fuse => self.claim()?,
            Plane::Lsm => None,
        };
        match policy::check_coverage(&self.image, engine.plane()) {
            Ok(warnings) => warn(warnings),
            Err(error) => {
                engine.teardown().map_err(Refusal::new)?;
                return Err(Refusal::new(error));
            }
        }
        let is_listed_here = held.is_some();
        let mut last = |init: BorrowedFd<'_>| {
            if let Some(held) = &mut held {
                held.set_init(init).map_err(|error| Failure::setup("write down the sandbox", error))?;
            }
            self.record_revision()
        };
        let beginning = if is_listed_here || self.ledger.is_some() {
            Beginning::After(&mut last)
        } else {
            Beginning::Free
        };
        let outcome = sandbox::run(&self.config, &mut *engine, &mut log, beginning);
        if let Some(complaint) = log.complaint() {
            eprintln!("boesfs: {complaint}");
        }
        if log.folded() > 0 {
            eprintln!("boesfs: {} events folded into others of their kind", log.folded());
        }
        if args.verbose {
            eprintln!("boesfs: {} events", log.written());
        }
        Ok(self.status(&outcome))
    }

    /// Writes down that the policy runs, for which everything else must be ready: what has not run must not stand in the way
    /// of older revisions.
    fn record_revision(&self) -> Result<(), Failure> {
        let (Some(signed), Some(ledger)) = (self.image.signed(), &self.ledger) else { return Ok(()) };
        trust::record_revision(ledger, signed, &self.config.policy)
            .map_err(|error| Failure::setup("write down the revision", error))
    }

    /// Takes the sandbox's name for the fuse plane, with what killed supervisors have left there cleared away; who may not write the list of sandboxes does without.
    fn claim(&self) -> Result<Option<tenants::Held>, Refusal> {
        if !tenants::can_list() {
            return Ok(None);
        }
        tenants::clear_away_unbound();
        let tenant = Tenant {
            version: 1,
            name: self.config.name.clone(),
            plane: TenantPlane::Fuse,
            pid: std::process::id(),
            init: None,
            mount_namespace: None,
            dir: self.config.dir.clone(),
            root: self.config.root.path().to_owned(),
            command: self.config.command[0].to_bytes().to_vec(),
            policy: self.config.policy.clone(),
            engine: None,
            kill_after: None,
        };
        tenants::hold(tenant).map(Some).map_err(Refusal::new)
    }

    fn setup(&self) -> Result<Setup, Refusal> {
        let root = &self.config.root;
        let named = self.config.command[0].to_bytes().to_vec();
        let name = OsStr::from_bytes(&named);
        Ok(Setup {
            image: Arc::clone(&self.image),
            subjects: policy::subjects(&self.image, &self.config.name, root).map_err(Refusal::new)?,
            name: self.config.name.clone(),
            dir: self.config.dir.clone(),
            root: root.path().to_owned(),
            mounts: Fixture::of(root)
                .into_iter()
                .map(|fixture| PathBuf::from(fixture.target()))
                .filter(|target| target.starts_with(&self.config.dir))
                .collect(),
            entry: Entry {
                path: root.find_command(name, self.config.search_path(), &self.config.cwd),
                named,
            },
            kill_after: self.config.kill_after,
            kill_after_override: self.kill_after_override,
            permissive: self.permissive,
            told: self.told,
            folding: self.folding,
            seal: self.seal,
        })
    }

    fn print_plan(&self, plane: Plane, format: Format) -> Result<u8, Refusal> {
        let gate = if self.ledger.is_some() { ExecGate::Stopped } else { exec_gate(plane) };
        let plan = self.config.plan(plane, gate).map_err(Refusal::new)?;
        let mut text = match format {
            Format::Human => plan.to_string(),
            Format::Json => {
                let dry_run = DryRun {
                    version: 1,
                    sandbox: &self.config.name,
                    policy: &self.config.policy,
                    plane,
                    kill_after: self.config.kill_after.map(NonZeroU64::get),
                    plan: &plan,
                };
                serde_json::to_string_pretty(&dry_run).map_err(Refusal::new)?
            }
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(print(&text))
    }

    fn status(&self, outcome: &Outcome) -> u8 {
        match outcome {
            Outcome::Ended(Ending::Exited(status)) => *status,
            Outcome::Ended(Ending::Signaled(signal)) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Outcome::KillLimit => {
                // Another policy may have had another limit since.
                match self.config.kill_after {
                    Some(limit) => {
                        complain(&format_args!("killed at its kill limit of {limit} denials"), KILLED)
                    }
                    None => complain(&"killed at its kill limit", KILLED),
                }
            }
            Outcome::Killed(reason) => complain(reason, KILLED),
            Outcome::Failed(failure) => {
                let status = match failure {
                    Failure::Setup { .. } | Failure::Refused { .. } => SETUP_FAILED,
                    Failure::Exec { .. } => NOT_EXECUTABLE,
                    Failure::NotFound { .. } => NOT_FOUND,
                };
                complain(failure, status)
            }
        }
    }
}
