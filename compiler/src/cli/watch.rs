//! `boesfsc watch`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use boesfs_compiler::files::policies_below;
use clap::Args;
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::check::CheckArgs;
use super::{CommandError, Exit, Screen};

/// How long nothing must change before files are read: editors save in several steps.
const QUIET: Duration = Duration::from_millis(80);
/// The settings file, whose changes count too.
const SETTINGS: &str = "boesfsc.toml";

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Checks once, and again whenever a policy, its model or boesfsc.toml has other contents than before. It ends when it
is interrupted (ctrl-C), which shells report as status 130; status 3 if the files cannot be watched.

Examples:
  boesfsc watch policy.conf
  boesfsc watch --model model.conf policy.csv
  boesfsc watch policy.conf --exec 'boesfsc test policy.conf'")]
pub(super) struct WatchArgs {
    #[command(flatten)]
    check: CheckArgs,
    /// A shell command to run after each check that finds nothing wrong.
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
}

impl WatchArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        self.check.watched().map_err(CommandError::Usage)?;
        let (sender, events) = channel();
        let cannot = |error: notify::Error| CommandError::World(format!("files cannot be watched: {error}"));
        // What changes from here on is seen, so that nothing is lost between the first check and the next.
        let mut watcher = notify::recommended_watcher(sender).map_err(cannot)?;
        for (folder, mode) in self.folders() {
            watcher.watch(&folder, mode).map_err(cannot)?;
        }
        let mut known = self.contents();
        self.once(screen)?;
        loop {
            let first = events.recv();
            let mut news = matches!(first, Ok(Ok(event)) if is_change(event.kind));
            loop {
                match events.recv_timeout(QUIET) {
                    Ok(event) => news |= event.is_ok_and(|event| is_change(event.kind)),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(CommandError::World("files are not watched any more".to_owned()));
                    }
                }
            }
            if !news {
                continue;
            }
            let now = self.contents();
            if now == known {
                continue;
            }
            for path in changed(&known, &now) {
                writeln!(io::stderr(), "changed: {}", path.display())?;
            }
            known = now;
            self.once(screen)?;
        }
    }

    /// One check, and the command if nothing is wrong.
    fn once(&self, screen: &mut Screen) -> Result<(), CommandError> {
        let exit = self.check.run(screen)?;
        screen.out.flush()?;
        if let (Exit::Fine, Some(command)) = (exit, &self.exec) {
            let ended = Command::new("sh").arg("-c").arg(command).status();
            match ended {
                Ok(status) if status.success() => {}
                Ok(status) => writeln!(io::stderr(), "`{command}`: {status}")?,
                Err(error) => return Err(CommandError::World(format!("`{command}` cannot be run: {error}"))),
            }
        }
        Ok(())
    }

    /// The folders in which something may happen. A file is seen through its folder, since editors put a new file in
    /// the place of the old one.
    fn folders(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        let mut folders = BTreeMap::new();
        folders.insert(PathBuf::from("."), RecursiveMode::NonRecursive);
        for path in self.check.paths() {
            if path.is_dir() {
                folders.insert(path.to_owned(), RecursiveMode::Recursive);
                continue;
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            folders.entry(folder.unwrap_or(Path::new(".")).to_owned()).or_insert(RecursiveMode::NonRecursive);
        }
        folders
    }

    /// Every file that counts with what is in it, as far as it can be read.
    fn contents(&self) -> BTreeMap<PathBuf, Option<u64>> {
        let mut files: BTreeSet<PathBuf> = BTreeSet::new();
        for path in self.check.paths() {
            if path.is_dir() {
                files.extend(policies_below(path).policies);
            } else {
                files.insert(path.to_owned());
            }
            let folders = path.ancestors().skip(1).map(|folder| folder.join(SETTINGS));
            files.extend(folders.filter(|settings| settings.is_file()));
        }
        files.extend(Some(PathBuf::from(SETTINGS)).filter(|settings| settings.is_file()));
        files
            .into_iter()
            .map(|path| (fs::read(&path).ok().map(|bytes| digest(&bytes)), path))
            .map(|(digest, path)| (path, digest))
            .collect()
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Whether something may be different after `kind`: reading is no change.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(_))
}

/// What is not in `now` as it was in `before`.
fn changed<'p>(
    before: &'p BTreeMap<PathBuf, Option<u64>>,
    now: &'p BTreeMap<PathBuf, Option<u64>>,
) -> BTreeSet<&'p Path> {
    let all = before.keys().chain(now.keys()).map(PathBuf::as_path);
    all.filter(|path| before.get(*path) != now.get(*path)).collect()
}
