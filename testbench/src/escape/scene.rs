//! The scene of the attempts: a root directory, the accomplice outside, and the runs of the prober.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::table::Attempt;
use super::told::{self, Denial};
use super::{Ground, POLICY, PROBER};
use crate::engine::{RealPlane, find_boesfs};
use crate::policy::{Policy, PolicySource};

/// What came of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What the prober says of it, by `outside`, `control` and `attack`.
    pub(super) results: HashMap<String, String>,
    /// What it has left behind where it must not.
    pub(super) traces: Vec<String>,
    /// What the sandbox's events tell as denied while it was under way there.
    pub(super) denials: Vec<Denial>,
}

/// Why no attempt could be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum SceneError {
    /// There is no such plane here.
    #[error("the plane cannot be had here: {0}")]
    NoPlane(String),
    /// A program did not do what it should.
    #[error("{what}: {words}")]
    Broken {
        /// Which.
        what: &'static str,
        /// What it said.
        words: String,
    },
    /// The world failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A laid out root directory.
pub(super) struct Scene<'a> {
    attempts: &'a [Attempt],
    ground: Ground,
    folder: TempDir,
    boesfs: PathBuf,
    image: PathBuf,
}

/// How many rules the larger policy has beyond those that matter: more than the smallest size of map takes.
const PADDING: usize = 4000;
/// The denial that ends the sandbox of [`Scene::limit`].
const LIMIT: usize = 100;

/// Where objects are denied.
const DENIED: [&str; 5] = ["sealed", "frozen", "hidden", "noexec", "vault"];
/// Where the attempts leave what they could get.
const ATTACK: &str = "attack";
/// How every secret begins, up to its folder.
const SECRET: &[u8] = b"a secret of ";

/// Writes the prober to `path`.
pub(super) fn place_prober(path: &Path) -> io::Result<()> {
    fs::write(path, PROBER)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

impl<'a> Scene<'a> {
    /// Lays out the objects of `attempts` on `ground`.
    pub(super) fn new(attempts: &'a [Attempt], ground: Ground) -> Result<Self, SceneError> {
        let boesfs = find_boesfs(&std::env::current_exe()?).ok_or_else(|| {
            SceneError::NoPlane("there is no `boesfs` beside the testbench or on PATH".into())
        })?;
        let folder = tempfile::Builder::new().prefix("boesfs-escape-").tempdir()?;
        let image = folder.path().join("policy.bin");
        let scene = Self { attempts, ground, folder, boesfs, image };
        scene.compile()?;
        let root = scene.root();
        let laid = match ground {
            Ground::Plain => root.clone(),
            Ground::Overlay => scene.folder.path().join("lower"),
        };
        for place in ["", "proc", "sys", "dev"] {
            fs::create_dir_all(laid.join(place))?;
        }
        for program in ["prober", "keeper"] {
            place_prober(&laid.join(program))?;
        }
        said("laying out the objects", Command::new(laid.join("prober")).arg("lay").arg(&laid))?;
        if ground == Ground::Overlay {
            let [upper, work] = ["upper", "work"].map(|name| scene.folder.path().join(name));
            for place in [&root, &upper, &work] {
                fs::create_dir(place)?;
            }
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                laid.display(),
                upper.display(),
                work.display()
            );
            let mut mount = Command::new("mount");
            mount.args(["-t", "overlay", "-o", &options, "overlay"]).arg(&root);
            said("mounting the overlay", &mut mount)?;
        }
        Ok(scene)
    }

    /// Writes the policy's image.
    fn compile(&self) -> Result<(), SceneError> {
        let mut text = POLICY.to_owned();
        if self.ground == Ground::Overlay {
            text.extend((0..PADDING).map(|number| {
                format!("p, any, \"/padding/{number}/{}\", write, deny\n", number.wrapping_mul(7919))
            }));
        }
        let policy = Policy::compile(&PolicySource::whole("escape", &text))
            .map_err(|refused| SceneError::Broken { what: "the policy", words: refused.to_string() })?;
        Ok(fs::write(&self.image, policy.image_file())?)
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The command that runs the prober on `plane`, with a limit of denials and a file for events.
    fn sandbox(&self, plane: RealPlane, limit: usize, events: &Path) -> Command {
        let mut command = Command::new(&self.boesfs);
        command
            .args(["run", "--plane", plane.name(), "--name", "escape", "--outside", "allow"])
            .args(["--kill-after", &limit.to_string(), "--root"])
            .arg(self.root())
            .arg("--events")
            .arg(events)
            .arg(&self.image)
            .args(["--", "/prober"])
            .current_dir("/");
        command
    }

    /// Makes every attempt, outside and on `plane`, and looks at what has been left behind.
    pub(super) fn play(&self, plane: RealPlane) -> Result<HashMap<String, Outcome>, SceneError> {
        let root = self.root();
        let accomplice = Accomplice::start(&root)?;
        let before = Picture::take(&root)?;
        let mut command = Command::new(root.join("prober"));
        command.arg("outside").arg(&root).stdin(accomplice.socket()?);
        let mut lines = said("the controls outside", &mut command)?;
        let events = self.folder.path().join("events");
        let mut command = self.sandbox(plane, 1_000_000_000, &events);
        command.args(["inside", plane.name()]).stdin(accomplice.socket()?);
        lines += &said("the sandbox", &mut command).map_err(|error| match error {
            SceneError::Broken { words, .. } if words.contains("no plane to enforce") => {
                SceneError::NoPlane(words)
            }
            other => other,
        })?;
        let mut outcomes = self.outcomes(&lines)?;
        let told = told::by_attempt(&fs::read_to_string(&events)?)
            .map_err(|words| SceneError::Broken { what: "the events", words })?;
        for (name, denials) in told {
            outcomes.entry(name).or_default().denials = denials;
        }
        for (name, trace) in before.traces(&Picture::take(&root)?) {
            outcomes.entry(name).or_default().traces.push(trace);
        }
        Ok(outcomes)
    }

    /// Whether eight processes that are denied as fast as they can be are ended together by exactly the denial that
    /// is the limit; else what was otherwise.
    pub(super) fn limit(&self, plane: RealPlane) -> Result<Result<(), String>, SceneError> {
        let events = self.folder.path().join("events-of-limit");
        let output = self.sandbox(plane, LIMIT, &events).arg("limit").output()?;
        let denials =
            fs::read_to_string(&events)?.lines().filter(|line| line.contains("\"verdict\":\"deny\"")).count();
        Ok(match output.status.code() {
            Some(137) if denials == LIMIT => Ok(()),
            _ => Err(format!("{}, {denials} denials for a limit of {LIMIT}", output.status)),
        })
    }

    fn outcomes(&self, lines: &str) -> Result<HashMap<String, Outcome>, SceneError> {
        let mut outcomes: HashMap<String, Outcome> =
            self.attempts.iter().map(|attempt| (attempt.name.clone(), Outcome::default())).collect();
        for line in lines.lines() {
            let malformed = || SceneError::Broken { what: "a line of the prober's", words: line.to_owned() };
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, when, how] = fields[..] else { return Err(malformed()) };
            let outcome = outcomes.get_mut(name).ok_or_else(malformed)?;
            outcome.results.insert(when.to_owned(), how.to_owned());
        }
        Ok(outcomes)
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        for place in mounted_below(self.folder.path()) {
            // What is still mounted stays, in a machine that ends anyway.
            let _ = Command::new("umount").arg(place).status();
        }
        // Directories may be nested deeper than the library removes them. What stays is in a temporary folder.
        let _ = Command::new("rm").arg("-rf").arg(self.folder.path()).stderr(Stdio::null()).status();
    }
}

/// Where something is mounted below `folder`, what was mounted last first.
fn mounted_below(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read("/proc/self/mounts").unwrap_or_default();
    let places =
        table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(1));
    let mut places: Vec<PathBuf> = places
        .map(|place| PathBuf::from(OsStr::from_bytes(place)))
        .filter(|place| place.starts_with(folder))
        .collect();
    places.reverse();
    places
}

/// A process outside that hands out descriptors, and listens on sockets that attempts connect to.
struct Accomplice {
    process: Child,
    socket: UnixStream,
}

impl Accomplice {
    /// Starts it; it has its sockets when this returns.
    fn start(root: &Path) -> io::Result<Self> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let process = Command::new(root.join("prober"))
            .arg("serve")
            .arg(root)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        ours.read_exact(&mut [0])?;
        Ok(Self { process, socket: ours })
    }

    /// The other end, as a standard input.
    fn socket(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(OwnedFd::from(self.socket.try_clone()?)))
    }
}

impl Drop for Accomplice {
    fn drop(&mut self) {
        // One that has ended already needs no killing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `command` prints, if it ends well.
fn said(what: &'static str, command: &mut Command) -> Result<String, SceneError> {
    let output = command.output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        eprint!("{words}");
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(SceneError::Broken { what, words: format!("{}, {}", output.status, words.trim()) })
}

/// The longest path of a directory that is looked into: a name more is still a path that calls take.
const LONGEST: usize = 3800;

/// What is where objects are denied, and what lies where attempts leave things.
struct Picture {
    denied: BTreeMap<PathBuf, Vec<u8>>,
    left: Vec<PathBuf>,
}

impl Picture {
    fn take(root: &Path) -> io::Result<Self> {
        let mut picture = Self { denied: BTreeMap::new(), left: Vec::new() };
        for tree in DENIED {
            picture.look(root, &root.join(tree), true)?;
        }
        picture.look(root, &root.join(ATTACK), false)?;
        Ok(picture)
    }

    fn look(&mut self, root: &Path, path: &Path, denied: bool) -> io::Result<()> {
        let metadata = path.symlink_metadata()?;
        let relative = path.strip_prefix(root).unwrap_or(path).to_owned();
        let kind = metadata.file_type();
        if denied {
            let mut seen = format!(
                "{:o} {}:{} {} {} {}\n",
                metadata.mode(),
                metadata.uid(),
                metadata.gid(),
                // A directory's is what its file system likes: an overlay copies it to another one.
                if kind.is_dir() { 0 } else { metadata.size() },
                metadata.mtime(),
                metadata.mtime_nsec(),
            )
            .into_bytes();
            if kind.is_file() {
                seen.extend(fs::read(path)?);
            }
            self.denied.insert(relative, seen);
        } else if kind.is_file() && is_taken(&fs::read(path)?) {
            self.left.push(relative);
        }
        // Far enough down nothing is denied by name any more, and no path leads there.
        if kind.is_dir() && path.components().count() < 64 && path.as_os_str().len() < LONGEST {
            for entry in fs::read_dir(path)? {
                self.look(root, &entry?.path(), denied)?;
            }
        }
        Ok(())
    }

    /// What differs in `after`, by the attempt it belongs to.
    fn traces(&self, after: &Self) -> Vec<(String, String)> {
        let mut traces = Vec::new();
        let mut found = |path: &Path, what: &str| {
            let owner = path.components().nth(1).map(|part| part.as_os_str().as_bytes().to_vec());
            let owner = owner.unwrap_or_default();
            let owner = owner.strip_suffix(b".side").unwrap_or(&owner);
            let name = OsStr::from_bytes(owner).to_string_lossy().into_owned();
            traces.push((name, format!("{} {what}", path.display())));
        };
        for (path, seen) in &self.denied {
            match after.denied.get(path) {
                Some(now) if now == seen => {}
                Some(_) => found(path, "has changed"),
                None => found(path, "is gone"),
            }
        }
        for path in after.denied.keys().filter(|path| !self.denied.contains_key(*path)) {
            found(path, "has been made");
        }
        for path in after.left.iter().filter(|path| !self.left.contains(path)) {
            found(path, "holds a secret");
        }
        traces
    }
}

/// Whether `bytes` hold what was taken from where it may not be read.
fn is_taken(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).enumerate().any(|(index, window)| {
        let folder = bytes.get(index + SECRET.len()..).unwrap_or_default();
        window == SECRET
            && ["sealed/", "hidden/", "vault/"].iter().any(|tree| folder.starts_with(tree.as_bytes()))
    })
}
