//! Where an endurance test plays: a folder with files for each worker, policies about them, and the programs that run.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::EndureError;
use crate::policy::{Policy, PolicySource};

/// The name that policies know workers by.
pub(super) const PROGRAM: &str = "boesfs-testbench";
/// What a sandbox's worker may always open.
pub(super) const FREE: &str = "free";
/// What one policy denies, and the other.
pub(super) const ONE: &str = "one";
/// What the other denies.
pub(super) const TWO: &str = "two";
/// What both deny, each with its own error.
pub(super) const BOTH: &str = "both";

const MODEL: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n\
    [policy_effect]\ne = !some(where (p.eft == deny))\n[matchers]\n\
    m = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n[policy]\n";

/// A folder of files that policies speak of.
#[derive(Debug)]
pub(super) struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// Files for `workers` workers.
    pub(super) fn new(workers: usize) -> Result<Self, EndureError> {
        let failed = EndureError::io("making files");
        let made = tempfile::tempdir().and_then(|folder| {
            for worker in 0..workers {
                let dir = folder.path().join("d").join(worker.to_string());
                std::fs::create_dir_all(&dir)?;
                for name in [FREE, ONE, TWO, BOTH] {
                    std::fs::write(dir.join(name), name)?;
                }
            }
            Ok(folder)
        });
        Ok(Self { folder: made.map_err(failed)? })
    }

    /// The protected directory.
    pub(super) fn dir(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    /// A file of the test's own.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the policy called `name` that denies to open `files` of each worker, with `errno`; where it is, and its id.
    pub(super) fn policy(
        &self,
        name: &str,
        workers: usize,
        files: &[&str],
        errno: &str,
    ) -> Result<(PathBuf, String), EndureError> {
        self.policy_about(name, workers, files, "open", errno)
    }

    /// The same for another operation than opening.
    pub(super) fn policy_about(
        &self,
        name: &str,
        workers: usize,
        files: &[&str],
        op: &str,
        errno: &str,
    ) -> Result<(PathBuf, String), EndureError> {
        let mut text = MODEL.to_owned();
        for worker in 0..workers {
            for file in files {
                let path = self.dir().join(worker.to_string()).join(file);
                text += &format!("#@ id={name}-{file}-{worker} errno={errno}\n");
                text += &format!("p, {PROGRAM}, {}, {op}, deny\n", path.display());
            }
        }
        let policy = Policy::compile(&PolicySource::whole(name, &text))
            .map_err(|refused| EndureError::Broken(format!("policy {name}: {refused}")))?;
        let path = self.file(&format!("{name}.bin"));
        std::fs::write(&path, policy.image_file()).map_err(EndureError::io(path.display()))?;
        Ok((path, policy.image().id_hex()))
    }

    /// `boesfs run` of this program's `worker` in a sandbox called `name`, every event of which goes to `events`.
    pub(super) fn run(&self, name: &str, policy: &Path, events: &Path, worker: &[&str]) -> Command {
        let mut command = self.start(name);
        command.args(["--event-rate", "0", "--events"]).arg(events);
        Self::finish(command, policy, worker)
    }

    /// The same in a sandbox whose events nobody wants.
    pub(super) fn run_untold(&self, name: &str, policy: &Path, worker: &[&str]) -> Command {
        Self::finish(self.start(name), policy, worker)
    }

    fn start(&self, name: &str) -> Command {
        let mut command = Command::new("boesfs");
        command.args(["run", "--plane", "lsm", "--name", name, "--dir"]).arg(self.dir());
        command
    }

    fn finish(mut command: Command, policy: &Path, worker: &[&str]) -> Command {
        command.arg(policy);
        command.arg("--").arg(PROGRAM).arg("endure-worker").args(worker).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// Runs `boesfs` with `arguments` and gives what it prints.
pub(super) fn boesfs(arguments: &[&str]) -> Result<String, EndureError> {
    let Output { status, stdout, stderr } = Command::new("boesfs")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(EndureError::io("boesfs"))?;
    if !status.success() {
        let words = String::from_utf8_lossy(&stderr).trim().to_owned();
        return Err(EndureError::Boesfs { command: arguments.join(" "), status, words });
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// The names of the sandboxes that are written down, and how each is.
pub(super) fn sandboxes() -> Result<Vec<(String, String)>, EndureError> {
    let told: serde_json::Value = serde_json::from_str(&boesfs(&["ps", "--format", "json"])?)
        .map_err(|error| EndureError::Broken(format!("boesfs ps: {error}")))?;
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let rows = told["sandboxes"].as_array().cloned().unwrap_or_default();
    Ok(rows.iter().map(|row| (text(row, "name"), text(row, "state"))).collect())
}

/// What there is in the machine when no sandbox is and none is left to be cleared away: nothing.
pub(super) fn nothing_left() -> Result<(), EndureError> {
    for place in ["/run/boesfs", "/sys/fs/bpf/boesfs"] {
        if Path::new(place).exists() {
            let there = walk(Path::new(place)).unwrap_or_default().join(" ");
            return EndureError::broken(format!("{place} is left: {there}"));
        }
    }
    Ok(())
}

fn walk(place: &Path) -> io::Result<Vec<String>> {
    let mut found = vec![place.display().to_string()];
    if place.is_dir() {
        for entry in std::fs::read_dir(place)? {
            found.extend(walk(&entry?.path())?);
        }
    }
    Ok(found)
}
