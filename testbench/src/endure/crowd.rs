//! Many sandboxes at once: what one more takes to start and of the kernel's memory, and what a call costs among them.

use std::ffi::CString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::time::Instant;

use boesfs_abi::image::ValidImage;
use boesfs_runtime::lsm::Lsm;
use boesfs_runtime::plane::{Entry, Folding, Seal, Setup, Told};
use boesfs_runtime::sandbox::root::Root;
use boesfs_runtime::sys::bpf;
use boesfs_runtime::tenants::Claim;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Serialize;

use super::EndureError;
use super::stage::{BOTH, PROGRAM, Stage, boesfs, nothing_left};
use super::worker::FINE;

/// What was seen. Times are in microseconds: in a machine that counts, thousands of instructions.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// Sandboxes at once.
    pub sandboxes: usize,
    /// Those of them that have processes: each a supervisor, a keeper, an init and a command.
    pub with_processes: usize,
    /// Policies that they have.
    pub policies: usize,
    /// Time from nothing to a sandbox that is enrolled and has proved itself, each.
    pub enrolled: Spread,
    /// Time of the processor for a supervisor until its command has run, in user space and kernel, each.
    pub started: Spread,
    /// What of such a time is spent in user space, by the kernel's account of all of them, each.
    pub started_in_user_space: f64,
    /// Bytes of the engine's maps for each sandbox more, by the kernel's account.
    pub map_bytes: f64,
    /// Bytes of the kernel's own allocations for each sandbox more: its maps, names below /run and open files.
    pub slab_bytes: f64,
    /// Bytes of what is written in files below /run, for each sandbox more, as the pages they take.
    pub file_bytes: f64,
    /// An open and close with one sandbox in the machine, nanoseconds.
    pub open_alone: f64,
    /// The same with all of them.
    pub open_among_all: f64,
    /// Seconds to clear all of them away.
    pub cleared: f64,
}

/// Many times.
#[derive(Debug, Serialize)]
pub struct Spread {
    median: f64,
    nine_of_ten: f64,
    most: f64,
}

impl Spread {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times.get(times.len() * part / 10).or(times.last()).copied().unwrap_or(0.0);
        Self { median: at(5), nine_of_ten: at(9), most: at(10) }
    }
}

/// A sandbox that measures what opening and closing costs in it.
struct Gauge {
    child: Child,
    ask: ChildStdin,
    hear: BufReader<ChildStdout>,
}

/// Starts `sandboxes` sandboxes of `policies` policies, of which `with_processes` have processes. The caller must be
/// single-threaded.
///
/// # Errors
/// If one does not start, or something is left.
pub fn run(sandboxes: usize, policies: usize, with_processes: usize) -> Result<Seen, EndureError> {
    let descriptors = Some(1 << 19);
    setrlimit(Resource::Nofile, Rlimit { current: descriptors, maximum: descriptors })
        .map_err(|error| EndureError::io("the limit of open files")(error.into()))?;
    let stage = Stage::new(1)?;
    let images: Vec<PathBuf> = (0..policies)
        .map(|policy| stage.policy(&format!("p{policy}"), 1, &[BOTH, &format!("of-{policy}")], "EACCES"))
        .map(|made| made.map(|(path, _)| path))
        .collect::<Result<_, _>>()?;
    let mut gauge = Gauge::start(&stage, &images[0])?;
    let open_alone = gauge.measure()?;
    let mut started = Vec::new();
    let mut running = Vec::new();
    for (at, image) in (0..with_processes).zip(images.iter().cycle()) {
        let (child, took) = start(&stage, &format!("process-{at}"), image)?;
        running.push(child);
        started.push(took);
    }
    let loaded: Vec<Arc<ValidImage>> = images.iter().map(|image| load(image)).collect::<Result<_, _>>()?;
    let (maps, slab, files) = (map_bytes()?, memory("Slab:")?, memory("Shmem:")?);
    let mut enrolled = Vec::new();
    let mut claims: Vec<Claim> = Vec::new();
    for (at, image) in (with_processes + 1..sandboxes).zip(loaded.iter().cycle()) {
        let began = Instant::now();
        claims.extend(enrol(&stage, &format!("crowd-{at}"), image)?);
        enrolled.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let more = enrolled.len().max(1) as f64;
    let map_bytes = (map_bytes()? as f64 - maps as f64) / more;
    let slab_bytes = (memory("Slab:")? as f64 - slab as f64) / more;
    let file_bytes = (memory("Shmem:")? as f64 - files as f64) / more;
    let open_among_all = gauge.measure()?;
    let before = children_in_user_space()?;
    for child in &mut running {
        child.kill().and_then(|()| child.wait()).map_err(EndureError::io("a supervisor"))?;
    }
    let started_in_user_space = (children_in_user_space()? - before) / running.len().max(1) as f64;
    gauge.end()?;
    drop(claims);
    let began = Instant::now();
    boesfs(&["gc"])?;
    let cleared = began.elapsed().as_secs_f64();
    nothing_left()?;
    Ok(Seen {
        sandboxes,
        with_processes: with_processes + 1,
        policies,
        enrolled: Spread::of(enrolled),
        started: Spread::of(started),
        started_in_user_space,
        map_bytes,
        slab_bytes,
        file_bytes,
        open_alone,
        open_among_all,
        cleared,
    })
}

impl Gauge {
    fn start(stage: &Stage, image: &Path) -> Result<Self, EndureError> {
        let file = stage.dir().join("0").join(super::stage::FREE).display().to_string();
        let mut command = stage.run_untold("gauge", image, &["gauge", &file]);
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(EndureError::io("boesfs"))?;
        let no_pipe = || EndureError::Broken("the sandbox has no pipes".to_owned());
        let ask = child.stdin.take().ok_or_else(no_pipe)?;
        let hear = BufReader::new(child.stdout.take().ok_or_else(no_pipe)?);
        Ok(Self { child, ask, hear })
    }

    fn measure(&mut self) -> Result<f64, EndureError> {
        let failed = EndureError::io("the sandbox that measures");
        let mut line = String::new();
        self.ask.write_all(b".").and_then(|()| self.hear.read_line(&mut line)).map_err(failed)?;
        line.trim()
            .parse()
            .map_err(|_| EndureError::Broken(format!("the sandbox that measures says `{line}`")))
    }

    fn end(mut self) -> Result<(), EndureError> {
        drop(self.ask);
        match self.child.wait().map_err(EndureError::io("the sandbox that measures"))? {
            status if status.success() => Ok(()),
            status => EndureError::broken(format!("the sandbox that measures ended with {status}")),
        }
    }
}

/// Starts a sandbox with processes and waits until its command has run; with the time its supervisor took for that.
fn start(stage: &Stage, name: &str, image: &Path) -> Result<(Child, f64), EndureError> {
    let dir = stage.dir().display().to_string();
    let mut command = stage.run_untold(name, image, &["watch", &dir, "3600000"]);
    let mut child = command.spawn().map_err(EndureError::io("boesfs"))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.as_mut() {
        BufReader::new(out).read_line(&mut line).map_err(EndureError::io("a sandbox"))?;
    }
    if line.trim() != FINE {
        return EndureError::broken(format!("the sandbox `{name}` says `{}`", line.trim()));
    }
    let path = format!("/proc/{}/schedstat", child.id());
    let told = std::fs::read_to_string(&path).map_err(EndureError::io(&path))?;
    let nanoseconds = told.split(' ').next().and_then(|number| number.parse::<f64>().ok());
    let took = nanoseconds.ok_or_else(|| EndureError::Broken(format!("{path}: {told}")))?;
    Ok((child, took / 1e3))
}

fn load(image: &Path) -> Result<Arc<ValidImage>, EndureError> {
    let loaded = boesfs_runtime::policy::load(image);
    loaded.map(Arc::new).map_err(|error| EndureError::Broken(error.to_string()))
}

/// Does what a supervisor does up to the clone of its sandbox's processes.
fn enrol(stage: &Stage, name: &str, image: &Arc<ValidImage>) -> Result<Option<Claim>, EndureError> {
    let broken = |error: &dyn std::fmt::Display| EndureError::Broken(format!("{name}: {error}"));
    let root = Root::open(Path::new("/")).map_err(EndureError::io("/"))?;
    let subjects = boesfs_runtime::policy::subjects(image, name, &root).map_err(|error| broken(&error))?;
    let setup = Setup {
        image: Arc::clone(image),
        subjects,
        name: name.to_owned(),
        dir: stage.dir(),
        root: root.path().to_owned(),
        mounts: Vec::new(),
        entry: Entry { named: PROGRAM.into(), path: None },
        kill_after: None,
        kill_after_override: None,
        permissive: false,
        told: Told::Nobody,
        folding: Folding::AsItIs,
        seal: Seal::AsItIs,
    };
    Ok(Lsm::new(setup).map_err(|error| broken(&error))?.let_go())
}

/// Bytes of all maps that are pinned, by the kernel's account.
fn map_bytes() -> Result<u64, EndureError> {
    let mut bytes = 0;
    let root = Path::new("/sys/fs/bpf/boesfs");
    let list = |path: &Path| std::fs::read_dir(path).map_err(EndureError::io(path.display()));
    for engine in list(root)? {
        let engine = engine.map_err(EndureError::io(root.display()))?.path();
        for pin in list(&engine)? {
            let path = pin.map_err(EndureError::io(engine.display()))?.path();
            let name = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
            let object = bpf::pinned(&name).map_err(EndureError::io(path.display()))?;
            let told = format!("/proc/self/fdinfo/{}", object.as_fd().as_raw_fd());
            let text = std::fs::read_to_string(&told).map_err(EndureError::io(told))?;
            // Programs have no key.
            if text.lines().any(|line| line.starts_with("key_size:")) {
                bytes += number(&text, "memlock:").unwrap_or(0);
            }
        }
    }
    Ok(bytes)
}

/// Microseconds that the children which have ended spent in user space.
fn children_in_user_space() -> Result<f64, EndureError> {
    let usage =
        getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| EndureError::io("getrusage")(error.into()))?;
    Ok(usage.user_time().num_microseconds() as f64)
}

/// How many bytes of memory the kernel accounts for under `name`.
fn memory(name: &str) -> Result<u64, EndureError> {
    let path = "/proc/meminfo";
    let text = std::fs::read_to_string(path).map_err(EndureError::io(path))?;
    number(&text, name).map(|kibibytes| kibibytes * 1024).ok_or(EndureError::Broken(text))
}

fn number(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_middle_and_its_end() {
        let spread = Spread::of((1..=100).map(f64::from).collect());
        assert_eq!((spread.median, spread.nine_of_ten, spread.most), (51.0, 91.0, 100.0));
        assert_eq!(Spread::of(Vec::new()).most, 0.0);
    }

    #[test]
    fn numbers_are_read_from_what_the_kernel_tells() {
        let told = "map_type:\t1\nmemlock:\t4096\nSlab:   12 kB\n";
        assert_eq!((number(told, "memlock:"), number(told, "Slab:")), (Some(4096), Some(12)));
        assert_eq!(number(told, "frozen:"), None);
    }
}
