//! Runs every command that README and docs show, and compares what it prints.
//!
//! Each page gets an empty folder and a private `/srv`. `UPDATE_DOCS=1` writes what was printed into the page instead.

mod page;

use page::{Block, Run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{self, ProcessError};
use crate::workspace::Workspace;

/// Set in the copy of this task that has a mount namespace of its own.
const INSIDE: &str = "BOESFS_DOCS_INSIDE";

/// Commands that are steps of the test suite themselves, or the suite itself.
const RUN_ELSEWHERE: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];

/// Why a page could not be run.
#[derive(Debug, thiserror::Error)]
pub enum DocsError {
    /// A page could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The page.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A page is not of the form this task reads.
    #[error("{}: {what}", path.display())]
    Form {
        /// The page.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A program this task needs failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// What came of the commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands that printed what the page says.
    pub passed: u64,
    /// What the others printed, for people.
    pub failures: Vec<String>,
}

/// What is done with output that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is a failure.
    Fails,
    /// It is written into the page.
    IsWritten,
}

/// Runs the commands of README and docs with the programs in `programs` on PATH.
///
/// # Errors
/// If a page or a program the task needs cannot be had; a command that prints something else is in the tally.
pub fn run(workspace: &Workspace, programs: &Path, difference: Difference) -> Result<Tally, DocsError> {
    if !is_inside() {
        return run_inside(workspace);
    }
    let mut tally = Tally::default();
    for path in pages(workspace)? {
        run_page(&path, workspace.relative(&path), programs, difference, &mut tally)?;
    }
    Ok(tally)
}

/// Whether this is the copy of the task that has mounts of its own.
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this task again with mounts of its own, so that pages may use `/srv`.
fn run_inside(workspace: &Workspace) -> Result<Tally, DocsError> {
    let this = std::env::current_exe()
        .map_err(|source| DocsError::File { path: PathBuf::from("this program"), source })?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]).arg(this).arg("docs");
    command.env(INSIDE, "1").current_dir(&workspace.root);
    let (status, output) = process::follow(&mut command)?;
    let passed = output.lines().rev().find_map(|line| {
        let (count, rest) = line.split_once(' ')?;
        rest.starts_with("passed").then(|| count.parse().ok()).flatten()
    });
    let failures = if status.success() && passed.is_some() {
        Vec::new()
    } else {
        vec![format!("the pages' own run ended with {status}")]
    };
    Ok(Tally { passed: passed.unwrap_or(0), failures })
}

fn pages(workspace: &Workspace) -> Result<Vec<PathBuf>, DocsError> {
    let docs = workspace.root.join("docs");
    let failed = |source| DocsError::File { path: docs.clone(), source };
    let mut pages = vec![workspace.root.join("README.md")];
    for entry in std::fs::read_dir(&docs).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

fn run_page(
    path: &Path,
    name: &Path,
    programs: &Path,
    difference: Difference,
    tally: &mut Tally,
) -> Result<(), DocsError> {
    let failed = |source| DocsError::File { path: path.to_owned(), source };
    let form = |what| DocsError::Form { path: path.to_owned(), what };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let mut blocks = page::parse(&text).map_err(form)?;
    let folder = tempfile::tempdir().map_err(failed)?;
    let mut mounted = Command::new("mount");
    process::run(mounted.args(["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/srv"]))?;
    for block in &mut blocks {
        match block {
            Block::Prose(_) => {}
            Block::File { name, lines, .. } => {
                std::fs::write(folder.path().join(name.as_str()), lines.join("\n") + "\n").map_err(failed)?;
            }
            Block::Shell { lines, line } => {
                for shown in lines {
                    let command = shown.split('#').next().unwrap_or_default().trim();
                    if !RUN_ELSEWHERE.contains(&command) {
                        return Err(form(format!("line {line}: nothing runs `{command}`")));
                    }
                }
            }
            Block::Console { runs, line } => {
                for run in runs {
                    let printed = execute(run, folder.path(), programs)?;
                    let same = printed.len() == run.output.len()
                        && run.output.iter().zip(&printed).all(|(want, have)| page::matches(want, have));
                    if same {
                        tally.passed += 1;
                    } else if difference == Difference::IsWritten {
                        run.output = printed;
                        tally.passed += 1;
                    } else {
                        tally.failures.push(format!(
                            "{}:{line}: `{}` printed\n{}\nand not\n{}",
                            name.display(),
                            run.command,
                            printed.join("\n"),
                            run.output.join("\n")
                        ));
                    }
                }
            }
        }
    }
    process::run(Command::new("umount").arg("/srv"))?;
    let updated = page::print(&blocks);
    if difference == Difference::IsWritten && updated != text {
        std::fs::write(path, updated).map_err(failed)?;
    }
    Ok(())
}

/// The lines `run` prints on stdout and stderr, and its exit status if that is not 0.
fn execute(run: &Run, folder: &Path, programs: &Path) -> Result<Vec<String>, DocsError> {
    let path = std::env::var("PATH").unwrap_or_default();
    let failed = |source| DocsError::File { path: PathBuf::from("sh"), source };
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {}\n}} 2>&1", run.command)])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    if !output.status.success() {
        lines.push(format!("[exit status: {}]", output.status.code().unwrap_or(-1)));
    }
    Ok(lines)
}
