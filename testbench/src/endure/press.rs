//! Processes that press into the engine at once: what they are answered is the policy's, whoever is preempted where.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Command;

use super::stage::PROGRAM;

const ENOENT: i32 = 2;
const EROFS: i32 = 30;
/// In one of so many rounds a program is run.
const EXECS: usize = 20;

/// What came of the calls of one process.
#[derive(Debug, Default)]
struct Answers {
    denied: usize,
    opened: usize,
    otherwise: usize,
    /// Programs that were not run, or answered otherwise than with EROFS.
    programs: usize,
}

/// Starts `processes` that each run [`alone`], and waits for them.
///
/// # Errors
/// If one cannot be started or does not end well.
pub fn together(dir: &Path, program: &Path, processes: usize, rounds: usize) -> io::Result<()> {
    let rounds = rounds.to_string();
    let started: Vec<_> = (0..processes)
        .map(|_| {
            let mut command = Command::new(PROGRAM);
            command.args(["endure-worker", "press"]).args([dir, program]).arg(&rounds).spawn()
        })
        .collect();
    let mut failed = None;
    for child in started {
        match child.and_then(|mut child| child.wait()) {
            Ok(status) if status.success() => {}
            Ok(status) => failed = Some(io::Error::other(format!("a worker failed: {status}"))),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Opens `a` and `b` in `dir` for `rounds`, and has `program` open `b` at times.
///
/// # Errors
/// If an answer was another than the policy's.
pub fn alone(dir: &Path, program: &Path, rounds: usize) -> io::Result<()> {
    let (free, shut) = (dir.join("a"), dir.join("b"));
    let mut answers = Answers::default();
    for round in 0..rounds {
        answers.denied += usize::from(number(&free) != 0);
        match number(&shut) {
            ENOENT => {}
            0 => answers.opened += 1,
            _ => answers.otherwise += 1,
        }
        if round % EXECS == 0 {
            let looked = Command::new(program).args(["endure-worker", "look"]).arg(&shut).status();
            answers.programs += usize::from(!looked.is_ok_and(|status| status.code() == Some(EROFS)));
        }
    }
    match answers {
        Answers { denied: 0, opened: 0, otherwise: 0, programs: 0 } => Ok(()),
        answers => Err(io::Error::other(format!("{answers:?} of {rounds}"))),
    }
}

/// Ends this process with the number of the error of opening `file`, 0 if there is none.
pub fn look(file: &Path) -> ! {
    std::process::exit(number(file))
}

fn number(file: &Path) -> i32 {
    File::open(file).err().map_or(0, |error| error.raw_os_error().unwrap_or(-1))
}
