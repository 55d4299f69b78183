//! The attempts as the prober lists them, and the part of the security model's page that lists them for people.

use std::fmt::Write as _;
use std::io;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::LIMIT;
use super::scene::place_prober;
use crate::engine::RealPlane;

/// Rows of the list of attempts that every path-based sandbox must survive.
pub(super) const ROWS: u32 = 58;

/// How long a program may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes of an attempt on a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It fails on what is denied.
    Blocked,
    /// It succeeds, and that is documented.
    Pinned,
    /// The plane has nothing that it could be made on.
    Absent,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub name: String,
    /// Its row in the list; `None` for those of our own.
    pub row: Option<u32>,
    /// The folder it is made on.
    pub tree: String,
    /// What it is.
    pub what: String,
    /// What catches it.
    pub caught: String,
    /// Why it is pinned or absent somewhere.
    pub why: String,
    closed: String,
    pub(super) controlled: bool,
    pub(super) may_lack: bool,
    nowhere: bool,
    also: String,
    /// What its event on the lsm plane says instead of its folder's rule: another rule's id, or a reason.
    pub(super) told: String,
    /// Why no event tells of it.
    pub(super) untold: String,
    lsm: Fate,
    fuse: Fate,
}

/// What any denial may say.
const DENIALS: [&str; 5] = ["EACCES", "EPERM", "ENOENT", "EXDEV", "EROFS"];

impl Attempt {
    /// What comes of it on `plane`.
    #[must_use]
    pub fn fate(&self, plane: RealPlane) -> Fate {
        match plane {
            RealPlane::Lsm => self.lsm,
            RealPlane::Fuse => self.fuse,
        }
    }

    /// Whether `plane` closes that way for everybody, so that there is no control in the sandbox.
    pub(super) fn is_closed(&self, plane: RealPlane) -> bool {
        self.nowhere || self.closed == "closed" || self.closed == plane.name()
    }

    /// Whether the name `path` is of its folder.
    pub(super) fn is_about(&self, path: &str) -> bool {
        let below = path.strip_prefix('/').and_then(|path| path.strip_prefix(self.tree.as_str()));
        let below = below.and_then(|path| path.strip_prefix('/')?.strip_prefix(self.name.as_str()));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether no rule is about it, nor anything that is told without one.
    pub(super) fn has_no_rule(&self) -> bool {
        self.nowhere && self.told.is_empty()
    }

    /// Whether it succeeds on a plane, or cannot be made on one.
    #[must_use]
    pub fn is_exception(&self) -> bool {
        self.lsm != Fate::Blocked || self.fuse != Fate::Blocked
    }

    /// Whether the result `how` is a denial.
    #[must_use]
    pub fn blocks(&self, how: &str) -> bool {
        DENIALS.contains(&how) || (!self.also.is_empty() && self.also == how)
    }
}

/// Every attempt, as the prober lists them.
///
/// # Errors
/// If the prober cannot be run, or its list is not one.
pub fn attempts() -> io::Result<Vec<Attempt>> {
    let folder = tempfile::tempdir()?;
    let prober = folder.path().join("prober");
    place_prober(&prober)?;
    let output = run_written(Command::new(&prober).arg("table"))?;
    if !output.status.success() {
        return Err(io::Error::other(format!("the prober lists nothing: {}", output.status)));
    }
    String::from_utf8_lossy(&output.stdout).lines().map(attempt).collect()
}

/// Runs a program that this process has just written. One that another thread begins at that moment has it open for writing until
/// it runs its own.
fn run_written(command: &mut Command) -> io::Result<Output> {
    let began = Instant::now();
    loop {
        match command.output() {
            Err(busy) if busy.kind() == io::ErrorKind::ExecutableFileBusy && began.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            done => return done,
        }
    }
}

fn attempt(line: &str) -> io::Result<Attempt> {
    let malformed = || io::Error::other(format!("the prober's table has a line of another form: {line}"));
    let fields: Vec<&str> = line.split('\t').collect();
    let [
        name,
        row,
        tree,
        lsm,
        fuse,
        closed,
        controlled,
        also,
        may_lack,
        nowhere,
        told,
        untold,
        what,
        caught,
        why,
    ] = fields[..]
    else {
        return Err(malformed());
    };
    let fate = |word: &str| match word {
        "blocked" => Ok(Fate::Blocked),
        "pinned" => Ok(Fate::Pinned),
        "absent" => Ok(Fate::Absent),
        _ => Err(malformed()),
    };
    let row: u32 = row.parse().map_err(|_| malformed())?;
    Ok(Attempt {
        name: name.into(),
        row: (row != 0).then_some(row),
        tree: tree.into(),
        what: what.into(),
        caught: caught.into(),
        why: why.into(),
        closed: closed.into(),
        controlled: controlled == "1",
        may_lack: may_lack == "1",
        nowhere: nowhere == "1",
        also: also.into(),
        told: told.into(),
        untold: untold.into(),
        lsm: fate(lsm)?,
        fuse: fate(fuse)?,
    })
}

/// A row that is tested elsewhere: its number, what it is, what catches it, and the test as `FILE::FUNCTION`.
struct Elsewhere(u32, &'static str, &'static str, &'static str);

const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere(
        4,
        "a bind mount that was made before the sandbox",
        "the mount table is read at set-up: refused",
        "runtime/tests/sandbox.rs::a_second_mount_of_the_protected_directory_is_refused",
    ),
    Elsewhere(
        10,
        "an overlay's own opens of the files beneath it",
        "they are of a private mount, and were judged above; every attempt is made on an overlay too",
        "xtask/src/suite/escape.rs::guest",
    ),
    Elsewhere(
        26,
        "descriptors that the caller has left open",
        "closed at set-up",
        "runtime/tests/sandbox.rs::only_the_standard_descriptors_go_in",
    ),
    Elsewhere(
        52,
        "the supervisor killed, at any moment",
        "nothing outlives it",
        "runtime/tests/run.rs::killed_at_any_moment_nothing_stays",
    ),
    Elsewhere(
        53,
        "a call between two halves of a change of policy",
        "a policy is loaded whole before anything runs; each event names its generation",
        "runtime/tests/run.rs::a_denied_call_fails_and_is_told_with_its_rule",
    ),
    Elsewhere(
        53,
        "opening what is denied, all the time, while the policy is reloaded",
        "each call is decided whole by the one policy or the other",
        "testbench/src/endure/reloads.rs::run",
    ),
    Elsewhere(
        54,
        "images cut, with a bit flipped, for another version or another plane, given to a sandbox at work",
        "refused, each in its own words, and the policy of before stays in force",
        "testbench/src/endure/refused.rs::images",
    ),
    Elsewhere(
        54,
        "a malformed, oversized or older image",
        "decoding checks everything; the ledger of revisions",
        "runtime/tests/run.rs::only_what_is_trusted_and_not_older_runs",
    ),
    Elsewhere(
        57,
        "the kernel has BPF LSM and was booted without it",
        "refused on the lsm plane, and nothing stays; `auto` takes the other one",
        "xtask/src/suite/without_bpf.rs::run",
    ),
    Elsewhere(
        57,
        "the kernel runs no program of ours",
        "a canary is denied before anything runs, or nothing runs",
        "runtime/tests/run.rs::probe_tells_what_auto_would_take_and_why_not_the_other",
    ),
];

/// The tests beyond the prober's that the page names, as file and function.
#[must_use]
pub fn elsewhere() -> Vec<(&'static str, &'static str)> {
    ELSEWHERE.iter().filter_map(|Elsewhere(_, _, _, test)| test.split_once("::")).collect()
}

/// The tables of the security model's page.
#[must_use]
pub fn page(attempts: &[Attempt]) -> String {
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        text.write_fmt(arguments).and_then(|()| text.write_char('\n')).expect("INVARIANT: a string grows");
    };
    line(format_args!("| row | attempt | test | caught by |"));
    line(format_args!("|---|---|---|---|"));
    for row in 1..=ROWS {
        for attempt in attempts.iter().filter(|attempt| attempt.row == Some(row)) {
            line(format_args!("| {row} | {} | `{}` | {} |", attempt.what, attempt.name, answer(attempt)));
        }
        for Elsewhere(_, what, caught, test) in ELSEWHERE.iter().filter(|other| other.0 == row) {
            line(format_args!("| {row} | {what} | `{test}` | {caught} |"));
        }
    }
    line(format_args!(
        "| – | eight processes denied as fast as they go | `{LIMIT}` | the denial that is the limit kills all, and is the last |"
    ));
    for attempt in attempts.iter().filter(|attempt| attempt.row.is_none()) {
        line(format_args!("| – | {} | `{}` | {} |", attempt.what, attempt.name, answer(attempt)));
    }
    text
}

fn answer(attempt: &Attempt) -> String {
    let exceptions: Vec<String> = [("lsm", attempt.lsm), ("fuse", attempt.fuse)]
        .into_iter()
        .filter_map(|(plane, fate)| match fate {
            Fate::Blocked => None,
            Fate::Pinned => Some(format!("succeeds on {plane}")),
            Fate::Absent => Some(format!("cannot be made on {plane}")),
        })
        .collect();
    if exceptions.is_empty() {
        attempt.caught.clone()
    } else {
        format!("{}; **{}**: {}", attempt.caught, exceptions.join(", "), attempt.why)
    }
}

/// The rows of the list that no test covers.
#[must_use]
pub fn missing(attempts: &[Attempt]) -> Vec<u32> {
    let covered = |row: u32| {
        attempts.iter().any(|attempt| attempt.row == Some(row))
            || ELSEWHERE.iter().any(|other| other.0 == row)
    };
    (1..=ROWS).filter(|row| !covered(*row)).collect()
}
