//! Attempts to get around a policy, each with a positive control, on a real plane.
//!
//! The attempts are a program in C, in `testbench/escape`: it lays out the objects, makes every attempt outside any
//! sandbox, where it must succeed, and in one, where it must succeed on objects that no rule is about and fail on
//! those that are denied. What is denied is looked at afterwards from outside: nothing may have changed, and no secret
//! may lie where everybody reads. What a hook of the lsm plane has denied must have been told with its rule and its name.

mod lacking;
mod scene;
mod table;
mod told;

pub use table::{Attempt, Fate, attempts, elsewhere, missing, page};

use std::collections::HashSet;

use self::scene::{Outcome, Scene, SceneError};
use crate::engine::RealPlane;
use crate::report::Report;

/// The program that makes the attempts.
static PROBER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/prober"));
/// The policy they are made under.
const POLICY: &str = include_str!("../../escape/policy.conf");

/// What the objects lie on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The file system of temporary files, under a small policy.
    Plain,
    /// An overlay of it, under a policy that needs larger maps.
    Overlay,
}

/// The test of the limit of denials, which needs a sandbox of its own.
pub(crate) const LIMIT: &str = "kill-limit";

/// Makes every attempt on `plane` and counts it in `report` under its [`engine`].
pub fn run(plane: RealPlane, ground: Ground, report: &mut Report) {
    let engine = engine(plane, ground);
    match play(plane, ground) {
        Ok(played) => {
            let lacking = lacking::here(&engine);
            for (name, judged) in played {
                tell(&engine, &name, expected(judged, &name, lacking.as_ref()), report);
            }
        }
        Err(SceneError::NoPlane(reason)) => report.skip(&engine, &reason, 1),
        Err(error) => report.fail(&engine, &error.to_string()),
    }
}

fn play(plane: RealPlane, ground: Ground) -> Result<Vec<(String, Judged)>, SceneError> {
    let attempts = attempts()?;
    let scene = Scene::new(&attempts, ground)?;
    let outcomes = scene.play(plane)?;
    let mut played: Vec<(String, Judged)> = attempts
        .iter()
        .map(|attempt| {
            let judged = outcomes.get(&attempt.name).map_or_else(
                || Judged::Failed("it was not made".into()),
                |outcome| judge(plane, attempt, outcome),
            );
            (attempt.name.clone(), judged)
        })
        .collect();
    let limit = match scene.limit(plane)? {
        Ok(()) => Judged::Passed("killed by the denial that was the limit".into()),
        Err(difference) => Judged::Failed(difference),
    };
    played.push((LIMIT.to_owned(), limit));
    Ok(played)
}

/// What the attempts are counted as.
#[must_use]
pub fn engine(plane: RealPlane, ground: Ground) -> String {
    match ground {
        Ground::Plain => format!("escape-{}", plane.name()),
        Ground::Overlay => format!("escape-{}-overlay", plane.name()),
    }
}

fn tell(engine: &str, name: &str, judged: Judged, report: &mut Report) {
    match judged {
        Judged::Passed(how) => {
            println!("{engine} {name}: {how}");
            report.pass(engine);
        }
        Judged::Skipped(reason) => {
            println!("{engine} {name}: left out, {reason}");
            report.skip(engine, &reason, 1);
        }
        Judged::Failed(why) => {
            println!("{engine} {name}: FAILED, {why}");
            report.fail(engine, &format!("{name}: {why}"));
        }
    }
}

/// `judged`, unless it was left out where it is known what is to be.
fn expected(judged: Judged, name: &str, lacking: Option<&HashSet<&str>>) -> Judged {
    match (judged, lacking) {
        (Judged::Skipped(reason), Some(names)) if reason == LACKS && !names.contains(name) => {
            Judged::Failed(format!("left out, {reason}, which is not so on this kernel"))
        }
        (judged, _) => judged,
    }
}

/// What an attempt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Judged {
    Passed(String),
    Skipped(String),
    Failed(String),
}

const GAINED: &str = "gained";
const LACKS: &str = "the kernel or its file system lacks what it needs";

fn judge(plane: RealPlane, attempt: &Attempt, outcome: &Outcome) -> Judged {
    let failed = |why: String| Judged::Failed(why);
    let fate = attempt.fate(plane);
    if let (Fate::Blocked | Fate::Absent, Some(trace)) = (fate, outcome.traces.first()) {
        return failed(trace.clone());
    }
    if fate == Fate::Absent {
        return Judged::Skipped(format!("not on this plane: {}", attempt.why));
    }
    let said = |when: &str| outcome.results.get(when).map(String::as_str);
    for (when, wanted) in [("outside", attempt.controlled), ("control", !attempt.is_closed(plane))] {
        match said(when) {
            _ if !wanted => {}
            Some(GAINED) => {}
            Some("unavailable") if attempt.may_lack => {
                return Judged::Skipped(LACKS.into());
            }
            Some(other) => return failed(format!("the control ({when}) says {other}, so nothing is proved")),
            None => return failed(format!("the control ({when}) was not made")),
        }
    }
    match (fate, said("attack")) {
        (Fate::Blocked, Some(GAINED)) => failed("it succeeds".into()),
        (Fate::Blocked, Some(how)) if attempt.blocks(how) => {
            let fault = (plane == RealPlane::Lsm).then(|| told::fault(attempt, &outcome.denials)).flatten();
            fault.map_or_else(|| Judged::Passed(format!("blocked, {how}")), failed)
        }
        (Fate::Pinned, Some(GAINED)) => Judged::Passed("succeeds, as documented".into()),
        (Fate::Pinned, Some(how)) => failed(format!("it is documented as succeeding, and says {how}")),
        (_, Some(how)) => failed(format!("it says {how}, which is no denial")),
        (_, None) => failed("it was not made".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = r#"{"verdict":"deny","errno":"EACCES","rule":{"id":"sealed"},"reason":null,"path":"/sealed/open-directly/file","args":[]}"#;

    fn outcome(results: &[(&str, &str)]) -> Outcome {
        let results = results.iter().map(|(when, how)| ((*when).to_owned(), (*how).to_owned())).collect();
        let denials = told::by_attempt(TOLD).unwrap().remove("").unwrap();
        Outcome { results, traces: Vec::new(), denials }
    }

    #[test]
    fn what_is_left_out_must_be_known_where_that_is_known() {
        let left_out = || Judged::Skipped(LACKS.into());
        let known = HashSet::from(["clone-in"]);
        assert_eq!(expected(left_out(), "clone-in", Some(&known)), left_out());
        assert_eq!(expected(left_out(), "open-directly", None), left_out());
        assert!(matches!(expected(left_out(), "open-directly", Some(&known)), Judged::Failed(_)));
        let elsewhere = Judged::Skipped("not on this plane: it has no names".into());
        assert_eq!(expected(elsewhere.clone(), "open-directly", Some(&known)), elsewhere);
    }

    #[test]
    fn a_denial_counts_only_beside_its_controls() {
        let attempts = attempts().unwrap();
        let attempt = attempts.iter().find(|attempt| attempt.name == "open-directly").unwrap();
        let verdict = |results: &[(&str, &str)]| judge(RealPlane::Lsm, attempt, &outcome(results));
        let passes = verdict(&[("outside", GAINED), ("control", GAINED), ("attack", "EACCES")]);
        assert_eq!(passes, Judged::Passed("blocked, EACCES".into()));
        for results in [
            [("outside", GAINED), ("control", GAINED), ("attack", GAINED)],
            [("outside", GAINED), ("control", GAINED), ("attack", "EIO")],
            [("outside", GAINED), ("control", GAINED), ("attack", "broken")],
            [("outside", GAINED), ("control", "EACCES"), ("attack", "EACCES")],
            [("outside", "nothing"), ("control", GAINED), ("attack", "EACCES")],
            [("outside", "unavailable"), ("control", GAINED), ("attack", "EACCES")],
            [("outside", GAINED), ("control", GAINED), ("missing", "EACCES")],
        ] {
            assert!(matches!(verdict(&results), Judged::Failed(_)), "{results:?}");
        }
        let mut untold = outcome(&[("outside", GAINED), ("control", GAINED), ("attack", "EACCES")]);
        untold.denials.clear();
        assert!(matches!(judge(RealPlane::Lsm, attempt, &untold), Judged::Failed(_)));
        assert!(matches!(judge(RealPlane::Fuse, attempt, &untold), Judged::Passed(_)));
        let mut changed = outcome(&[("outside", GAINED), ("control", GAINED), ("attack", "EACCES")]);
        changed.traces.push("sealed/open-directly/file has changed".into());
        assert!(matches!(judge(RealPlane::Lsm, attempt, &changed), Judged::Failed(_)));
    }
}
