//! Agents killed at any moment: enforcement does not lapse, nothing is left that the next one does not clear away.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::EndureError;
use super::stage::{BOTH, ONE, Stage, boesfs, nothing_left, sandboxes};
use super::worker::{FINE, LAPSE, STUCK};

const WITNESS: &str = "endure-witness";
const VICTIM: &str = "endure-victim";
/// How many seconds the processes of a sandbox may take to look once more, or to be gone after their supervisor was.
const PATIENCE: i64 = 60;
/// How many seconds a sandbox may take to look for the first time: the engine's first has all programs verified.
const STARTING: i64 = 300;

/// What was seen.
#[derive(Debug, Default, Serialize)]
pub struct Seen {
    /// Agents killed.
    pub kills: u64,
    /// Supervisors killed before their command ran.
    pub before: u64,
    /// Supervisors killed while it ran.
    pub during: u64,
    /// Reloads killed.
    pub reloads: u64,
    /// Clearings killed.
    pub clearings: u64,
    /// Looks by the sandboxes of killed supervisors at what is denied, each of them denied.
    pub denied: u64,
    /// Looks by a sandbox beside them, the same.
    pub witnessed: u64,
    /// Seconds.
    pub seconds: f64,
}

/// Numbers that seem to be without order (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

struct Scene {
    stage: Stage,
    policies: [PathBuf; 2],
    chance: Chance,
    seen: Seen,
}

/// Kills `kills` agents, at moments that depend on `seed`.
///
/// # Errors
/// If enforcement lapsed, something was left, or something did not work.
pub fn run(kills: u64, seed: u64) -> Result<Seen, EndureError> {
    let began = Instant::now();
    let stage = Stage::new(1)?;
    let (first, _) = stage.policy("a", 1, &[ONE, BOTH], "EACCES")?;
    let (second, _) = stage.policy("b", 1, &[BOTH], "EPERM")?;
    let chance = Chance(seed | 1 << 32);
    let mut scene = Scene { stage, policies: [first, second], chance, seen: Seen::default() };
    let mut witness = scene.start(WITNESS, "20")?;
    let Some(out) = witness.stdout.take() else {
        return EndureError::broken("the sandbox beside them is not heard");
    };
    let heard = std::thread::spawn(|| words(out));
    let done = scene.kill_all(kills);
    // The last of them: the engine has no sandbox with a supervisor now, and what is left of it stays in force.
    kill(&mut witness)?;
    let witnessed =
        heard.join().unwrap_or_else(|_| EndureError::broken("the sandbox beside them was not heard"));
    // If that went wrong, so did the rest.
    scene.seen.witnessed = witnessed?;
    done?;
    boesfs(&["gc"])?;
    nothing_left()?;
    scene.seen.seconds = began.elapsed().as_secs_f64();
    Ok(scene.seen)
}

fn kill(child: &mut Child) -> Result<(), EndureError> {
    child.kill().and_then(|()| child.wait()).map(drop).map_err(EndureError::io("killing an agent"))
}

impl Scene {
    /// Starts a sandbox whose worker looks all the time, `pause` milliseconds in between.
    fn start(&self, name: &str, pause: &str) -> Result<Child, EndureError> {
        let dir = self.stage.dir().display().to_string();
        let devnull = PathBuf::from("/dev/null");
        let mut command = self.stage.run(name, &self.policies[0], &devnull, &["watch", &dir, pause]);
        command.spawn().map_err(EndureError::io("boesfs"))
    }

    fn kill_all(&mut self, kills: u64) -> Result<(), EndureError> {
        // The first makes the engine, or waits until it is made.
        self.time_of_a_start()?;
        let start = self.time_of_a_start()?;
        let work = self.time_of(&["reload", WITNESS])?;
        while self.seen.kills < kills {
            match self.seen.kills % 5 {
                3 => self.kill_a_reload(work)?,
                4 => self.kill_a_clearing(start, work)?,
                _ => self.kill_a_supervisor(start)?,
            }
            self.seen.kills += 1;
            self.next_agent()?;
        }
        Ok(())
    }

    /// How long it takes until a sandbox has looked for the first time.
    fn time_of_a_start(&mut self) -> Result<Duration, EndureError> {
        let began = Instant::now();
        let mut child = self.start(VICTIM, "0")?;
        let mut first = [0; FINE.len() + 1];
        let read = child.stdout.as_mut().map(|out| out.read_exact(&mut first));
        read.unwrap_or(Ok(())).map_err(EndureError::io("the first word of a sandbox"))?;
        let took = began.elapsed();
        kill_and_hear(&mut child)?;
        Ok(took)
    }

    /// How long `boesfs` takes for this.
    fn time_of(&self, arguments: &[&str]) -> Result<Duration, EndureError> {
        let began = Instant::now();
        let policy = self.policies[1].display().to_string();
        let arguments: Vec<&str> = arguments.iter().copied().chain([policy.as_str()]).collect();
        boesfs(&arguments)?;
        Ok(began.elapsed())
    }

    fn pause(&mut self, longest: Duration) {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_micros(self.chance.below(micros)));
    }

    fn kill_a_supervisor(&mut self, start: Duration) -> Result<(), EndureError> {
        let mut child = self.start(VICTIM, "0")?;
        self.pause(start * 2);
        let looks = kill_and_hear(&mut child)?;
        self.seen.denied += looks;
        *(if looks == 0 { &mut self.seen.before } else { &mut self.seen.during }) += 1;
        Ok(())
    }

    fn kill_a_reload(&mut self, work: Duration) -> Result<(), EndureError> {
        let policy = &self.policies[self.chance.below(2) as usize];
        let mut command = Command::new("boesfs");
        command.args(["reload", WITNESS]).arg(policy).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(EndureError::io("boesfs"))?;
        self.pause(work);
        kill(&mut child)?;
        self.seen.reloads += 1;
        // The next one goes through, whatever that one has left.
        let policy = self.policies[0].display().to_string();
        boesfs(&["reload", WITNESS, &policy]).map(drop)
    }

    /// Kills a clearing of what a killed supervisor has left.
    fn kill_a_clearing(&mut self, start: Duration, work: Duration) -> Result<(), EndureError> {
        self.kill_a_supervisor(start)?;
        let mut command = Command::new("boesfs");
        command.arg("gc").stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(EndureError::io("boesfs"))?;
        self.pause(work);
        kill(&mut child)?;
        self.seen.clearings += 1;
        Ok(())
    }

    /// Sees that a sandbox of the same name can be had, and that then only the one beside it is there.
    fn next_agent(&self) -> Result<(), EndureError> {
        let (dir, policy) = (self.stage.dir(), &self.policies[0]);
        let (dir, policy) = (dir.display().to_string(), policy.display().to_string());
        boesfs(&["run", "--plane", "lsm", "--name", VICTIM, "--dir", &dir, &policy, "--", "true"])?;
        match sandboxes()?.as_slice() {
            [(name, state)] if name == WITNESS && state == "running" => Ok(()),
            others => EndureError::broken(format!("there are {others:?}")),
        }
    }
}

/// What a worker has said until it was gone: how often it looked, and all was as it must be.
fn words(out: ChildStdout) -> Result<u64, EndureError> {
    let mut looks = 0;
    let mut out = BufReader::new(out);
    loop {
        if out.buffer().is_empty() {
            let mut waiting = [PollFd::new(out.get_ref(), PollFlags::IN)];
            let patience = Timespec { tv_sec: if looks == 0 { STARTING } else { PATIENCE }, tv_nsec: 0 };
            let ready = poll(&mut waiting, Some(&patience));
            if ready.map_err(|error| EndureError::io("poll")(error.into()))? == 0 {
                return EndureError::broken("a worker neither looks nor is gone");
            }
        }
        let mut line = String::new();
        if out.read_line(&mut line).map_err(EndureError::io("a worker's words"))? == 0 {
            return Ok(looks);
        }
        match line.trim_end() {
            FINE => looks += 1,
            LAPSE => return EndureError::broken("what is denied was opened"),
            STUCK => return EndureError::broken("what is allowed was not opened"),
            // Cut short with the process.
            _ if !line.ends_with('\n') => {}
            other => return EndureError::broken(format!("a worker says {other}")),
        }
    }
}

/// Kills the supervisor `child` and gives how often its worker has looked.
fn kill_and_hear(child: &mut Child) -> Result<u64, EndureError> {
    kill(child)?;
    child.stdout.take().map_or(Ok(0), words)
}
