//! Many calls of several processes while their policy changes all the time: each is decided whole by the one policy or the
//! other, and its event names which. What both deny is denied at any moment, also while images that cannot be used are refused.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use serde::{Deserialize, Serialize};

use super::EndureError;
use super::refused::{self, Refused};
use super::stage::{BOTH, ONE, Stage, TWO, boesfs};
use super::worker::{ACCES, BATCH, CYCLE, OPENED, PERM};

/// How long nothing may be heard.
const PATIENCE: Duration = Duration::from_secs(300);
const NAME: &str = "endure-reloads";

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// Calls.
    pub operations: u64,
    /// Calls that were denied, each with its event.
    pub denials: u64,
    /// Processes that made them.
    pub processes: usize,
    /// Reloads meanwhile.
    pub reloads: u64,
    /// Images that were refused meanwhile, and changed nothing.
    pub refused: u64,
    /// Denials by the one policy, and by the other.
    pub by: [u64; 2],
    /// Seconds.
    pub seconds: f64,
}

#[derive(Deserialize)]
struct Event {
    generation: u64,
    policy: String,
    path: String,
    errno: String,
    verdict: String,
    rule: Rule,
    /// When it was told.
    time: String,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
}

/// What reaches the judge.
enum Heard {
    Answers { worker: usize, answers: Vec<u8> },
    Event(Event),
    Reloaded(u64),
    Refused,
    Broken(EndureError),
    End,
}

/// A policy, as events tell of it.
struct Side {
    id: String,
    errno: &'static str,
    answer: u8,
    rule: &'static str,
}

/// Events of a worker that are kept to be shown beside one that does not fit.
const KEPT: usize = 4;

/// What is known of one worker.
#[derive(Default)]
struct Worker {
    answers: VecDeque<u8>,
    events: VecDeque<Event>,
    /// Where in its cycle the next answer is.
    at: usize,
    /// Generation of its latest event.
    generation: u64,
    /// Calls since then that were allowed.
    allowed: Vec<&'static str>,
    /// The latest events that were judged, in words.
    latest: VecDeque<String>,
}

/// Has `processes` make `operations` calls or more during `reloads` reloads.
///
/// # Errors
/// If a decision is not by the policy that its event names, or something did not work.
pub fn run(operations: u64, processes: usize, reloads: u64) -> Result<Seen, EndureError> {
    let stage = Stage::new(processes)?;
    let (one, one_id) = stage.policy("a", processes, &[ONE, BOTH], "EACCES")?;
    let (two, two_id) = stage.policy("b", processes, &[TWO, BOTH], "EPERM")?;
    let sides = [
        Side { id: one_id, errno: "EACCES", answer: ACCES, rule: "a" },
        Side { id: two_id, errno: "EPERM", answer: PERM, rule: "b" },
    ];
    let events = stage.file("events");
    mknodat(CWD, &events, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .map_err(|error| EndureError::io("a fifo")(error.into()))?;
    let reader = openat(CWD, &events, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| EndureError::io("a fifo")(error.into()))?;
    let dir = stage.dir().display().to_string();
    let mut command = stage.run(NAME, &one, &events, &["ask-together", &dir, &processes.to_string()]);
    let began = Instant::now();
    let mut sandbox = command.stdin(Stdio::piped()).spawn().map_err(EndureError::io("boesfs"))?;
    let mut tokens = sandbox.stdin.take().ok_or_else(no_pipe)?;
    let (tell, heard) = channel();
    listen(&mut sandbox, File::from(reader), tell.clone())?;
    tokens.write_all(&vec![b'.'; processes]).map_err(EndureError::io("the workers"))?;
    let policies = [two.display().to_string(), one.display().to_string()];
    let mut judge = Judge { sides, workers: Vec::new(), counted: Counted::default() };
    judge.workers.resize_with(processes, Worker::default);
    let bad = refused::images(&stage, &one)?;
    let begin = Box::new(move || drop(std::thread::spawn(move || reload(&policies, &bad, reloads, &tell))));
    let judged = judge.hear(&heard, tokens, begin, operations, reloads);
    if judged.is_err() {
        let _ = sandbox.kill();
    }
    let status = sandbox.wait().map_err(EndureError::io("boesfs"))?;
    judged?;
    if !status.success() {
        return EndureError::broken(format!("the sandbox ended with {status}"));
    }
    let Counted { operations, by, reloads, refused } = judge.counted;
    Ok(Seen {
        operations,
        denials: by.iter().sum(),
        processes,
        reloads,
        refused,
        by,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn no_pipe() -> EndureError {
    EndureError::Broken("the sandbox has no pipes".to_owned())
}

/// Has what the workers and the engine say told to `tell`.
fn listen(sandbox: &mut Child, events: File, tell: Sender<Heard>) -> Result<(), EndureError> {
    let mut answers = sandbox.stdout.take().ok_or_else(no_pipe)?;
    let end = tell.clone();
    std::thread::spawn(move || {
        let mut batch = [0; 1 + BATCH];
        while answers.read_exact(&mut batch).is_ok() {
            let heard = Heard::Answers { worker: batch[0].into(), answers: batch[1..].to_vec() };
            // Nobody listens once the judge has seen enough.
            let _ = end.send(heard);
        }
        let _ = end.send(Heard::End);
    });
    std::thread::spawn(move || {
        for line in BufReader::new(events).lines() {
            let line = line.unwrap_or_default();
            let heard = match serde_json::from_str(&line) {
                Ok(event) => Heard::Event(event),
                Err(error) => Heard::Broken(EndureError::Broken(format!("not an event: {line}: {error}"))),
            };
            if tell.send(heard).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Gives the sandbox the `policies` in turn, `count` times, and before each one of the `bad` ones, which make no generation.
fn reload(policies: &[String; 2], bad: &[Refused], count: u64, tell: &Sender<Heard>) {
    let reload = |done: u64, policy: &str| {
        let told = boesfs(&["reload", NAME, policy])?;
        if told == format!("generation {}\n", done + 1) {
            Ok(Heard::Reloaded(done))
        } else {
            EndureError::broken(format!("reload {done} made {told}"))
        }
    };
    for (done, (policy, bad)) in (1..=count).zip(policies.iter().cycle().zip(bad.iter().cycle())) {
        for heard in [bad.try_on(NAME).map(|()| Heard::Refused), reload(done, policy)] {
            let is_over = heard.is_err();
            if tell.send(heard.unwrap_or_else(Heard::Broken)).is_err() || is_over {
                return;
            }
        }
    }
}

#[derive(Default)]
struct Counted {
    operations: u64,
    by: [u64; 2],
    reloads: u64,
    refused: u64,
}

struct Judge {
    sides: [Side; 2],
    workers: Vec<Worker>,
    counted: Counted,
}

impl Judge {
    /// Judges what is heard until there were enough calls and reloads, and everything that was begun is told.
    fn hear(
        &mut self,
        heard: &Receiver<Heard>,
        tokens: ChildStdin,
        begin: Box<dyn FnOnce()>,
        operations: u64,
        reloads: u64,
    ) -> Result<(), EndureError> {
        let (mut tokens, mut begin) = (Some(tokens), Some(begin));
        let (mut ended, mut owed) = (false, 0);
        while !ended || self.workers.iter().any(|worker| !worker.answers.is_empty()) {
            let next = heard.recv_timeout(PATIENCE);
            match next.map_err(|_| EndureError::Broken(self.missing()))? {
                Heard::Answers { worker, answers } => {
                    // The sandbox is there.
                    if let Some(begin) = begin.take() {
                        begin();
                    }
                    owed += 1;
                    self.worker(worker)?.answers.extend(answers);
                    self.match_up(worker)?;
                }
                Heard::Event(event) => {
                    let worker = event.path.rsplit('/').nth(1).and_then(|name| name.parse().ok());
                    let worker =
                        worker.ok_or_else(|| EndureError::Broken(format!("whose is {}", event.path)))?;
                    self.worker(worker)?.events.push_back(event);
                    self.match_up(worker)?;
                }
                Heard::Reloaded(count) => self.counted.reloads = count,
                Heard::Refused => self.counted.refused += 1,
                Heard::Broken(error) => return Err(error),
                Heard::End => ended = true,
            }
            if self.counted.operations >= operations && self.counted.reloads >= reloads {
                tokens = None;
            }
            // One more batch for each that is judged: the events of those that are not fit into the ring buffer.
            let waiting = self.workers.iter().filter(|worker| !worker.answers.is_empty()).count();
            while owed > waiting {
                owed -= 1;
                if let Some(tokens) = &mut tokens {
                    tokens.write_all(b".").map_err(EndureError::io("the workers"))?;
                }
            }
        }
        match self.workers.iter().find_map(|worker| worker.events.front()) {
            Some(event) => EndureError::broken(format!("an event of no call, about {}", event.path)),
            None => Ok(()),
        }
    }

    fn worker(&mut self, index: usize) -> Result<&mut Worker, EndureError> {
        self.workers.get_mut(index).ok_or_else(|| EndureError::Broken(format!("there is no worker {index}")))
    }

    /// What nobody told within the time there is.
    fn missing(&self) -> String {
        let waiting = self.workers.iter().filter(|worker| !worker.answers.is_empty()).count();
        format!(
            "nothing heard for {PATIENCE:?}: {waiting} workers wait for events, after {} calls",
            self.counted.operations
        )
    }

    /// Judges the answers of `worker` as far as their events are there.
    fn match_up(&mut self, worker: usize) -> Result<(), EndureError> {
        let Self { sides, workers, counted } = self;
        let worker = &mut workers[worker];
        while let Some(answer) = worker.answers.front().copied() {
            let file = CYCLE[worker.at];
            if answer == OPENED {
                if file == BOTH {
                    return EndureError::broken("both policies deny it, and it was opened");
                }
                worker.allowed.push(file);
            } else {
                let Some(event) = worker.events.pop_front() else { return Ok(()) };
                let side = judge(sides, worker, file, answer, &event)?;
                counted.by[side] += 1;
                worker.generation = event.generation;
                worker.allowed.clear();
                worker.latest.push_back(event.words());
                if worker.latest.len() > KEPT {
                    worker.latest.pop_front();
                }
            }
            worker.answers.pop_front();
            worker.at = (worker.at + 1) % CYCLE.len();
            counted.operations += 1;
        }
        Ok(())
    }
}

impl Event {
    fn words(&self) -> String {
        let Self { generation, path, errno, verdict, rule, time, .. } = self;
        format!("{verdict} {errno} of {path} by {} of generation {generation} at {time}", rule.id)
    }
}

/// Which of the `sides` decided the call about `file` that got `answer` and that `event` tells of: the one whose
/// generation it names.
fn judge(
    sides: &[Side; 2],
    worker: &Worker,
    file: &str,
    answer: u8,
    event: &Event,
) -> Result<usize, EndureError> {
    let Event { generation, policy, path, errno, verdict, rule, .. } = event;
    let wrong = |what: &str| {
        let before: Vec<_> = worker.latest.iter().map(String::as_str).collect();
        let behind: Vec<_> = worker.events.iter().take(KEPT).map(Event::words).collect();
        EndureError::broken(format!(
            "{what}: {file} got {} after generation {}, and the event says {}; before it: {}; behind it: {}; answers behind it: {}",
            char::from(answer),
            worker.generation,
            event.words(),
            before.join(", "),
            behind.join(", "),
            worker
                .answers
                .iter()
                .skip(1)
                .take(2 * KEPT)
                .map(|answer| char::from(*answer))
                .collect::<String>(),
        ))
    };
    // Odd generations are the first policy's, even ones the second's.
    let index = usize::from(generation.is_multiple_of(2));
    let side = &sides[index];
    if !path.ends_with(&format!("/{file}")) || verdict != "deny" {
        return wrong("another call's event");
    }
    if *policy != side.id || errno != side.errno || !rule.id.starts_with(&format!("{}-{file}-", side.rule)) {
        return wrong("not by the policy of its generation");
    }
    if answer != side.answer {
        return wrong("another answer than the event's");
    }
    if *generation < worker.generation {
        return wrong("a generation of before");
    }
    // What was allowed in between was so by a generation that was there: what `one` allows needs an even one.
    let is_there = |even: bool| *generation > worker.generation || generation.is_multiple_of(2) == even;
    if worker.allowed.iter().any(|file| !is_there(*file == ONE)) {
        return wrong("allowed between two denials by a policy that denies it");
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides() -> [Side; 2] {
        [
            Side { id: "A".into(), errno: "EACCES", answer: ACCES, rule: "a" },
            Side { id: "B".into(), errno: "EPERM", answer: PERM, rule: "b" },
        ]
    }

    fn event(generation: u64, policy: &str, file: &str, errno: &str, rule: &str) -> Event {
        Event {
            generation,
            policy: policy.into(),
            path: format!("/d/0/{file}"),
            errno: errno.into(),
            verdict: "deny".into(),
            rule: Rule { id: format!("{rule}-{file}-0") },
            time: "12:00".into(),
        }
    }

    fn judged(worker: &Worker, file: &str, answer: u8, event: &Event) -> Option<usize> {
        judge(&sides(), worker, file, answer, event).ok()
    }

    #[test]
    fn a_decision_by_the_policy_of_its_generation_passes_and_no_other() {
        let fresh = Worker::default();
        assert_eq!(judged(&fresh, BOTH, ACCES, &event(1, "A", BOTH, "EACCES", "a")), Some(0));
        assert_eq!(judged(&fresh, BOTH, PERM, &event(2, "B", BOTH, "EPERM", "b")), Some(1));
        assert_eq!(judged(&fresh, BOTH, PERM, &event(1, "A", BOTH, "EACCES", "a")), None, "another answer");
        assert_eq!(judged(&fresh, BOTH, PERM, &event(2, "A", BOTH, "EPERM", "b")), None, "another policy");
        assert_eq!(judged(&fresh, BOTH, ACCES, &event(2, "B", BOTH, "EACCES", "a")), None, "another rule");
        assert_eq!(judged(&fresh, ONE, ACCES, &event(1, "A", BOTH, "EACCES", "a")), None, "another call");
    }

    #[test]
    fn what_is_allowed_in_between_needs_a_generation_that_allows_it() {
        let between =
            |generation, allowed| Worker { generation, allowed: vec![allowed], ..Worker::default() };
        let denied = |generation| event(generation, "A", BOTH, "EACCES", "a");
        assert_eq!(judged(&between(1, TWO), BOTH, ACCES, &denied(1)), Some(0));
        assert_eq!(judged(&between(1, ONE), BOTH, ACCES, &denied(1)), None);
        assert_eq!(judged(&between(1, ONE), BOTH, ACCES, &denied(3)), Some(0));
        assert_eq!(judged(&between(3, TWO), BOTH, ACCES, &denied(1)), None, "back in time");
    }
}
