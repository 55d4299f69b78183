//! Whether what the lsm plane remembers of directories is ever stale: while directories, files and links move, policies are
//! reloaded and mounts come and go, every answer of a memo is compared with a fresh one in the kernel. To memos that are
//! made to be wrong the same comparing must object.

use super::report::{Report, Tally};
use super::{Requirements, machines};
use crate::binaries;
use crate::process;
use crate::vm::{self, Job, KernelChoice};
use crate::workspace::Workspace;
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(1200);
/// How long each kind of memo is tried.
const SECONDS: &str = "6";
/// Answers that must have been compared, renames of directories, and memos that hold again after them in each of the ways
/// that there are, for a run to say anything; and reloads.
const ENOUGH: u64 = 200;
const ENOUGH_RELOADS: u64 = 3;
const ENOUGH_RENEWED: u64 = 5;
const POLICIES: [(&str, &str); 6] = [
    ("memo", include_str!("memo.conf")),
    ("memo-2", include_str!("memo-2.conf")),
    ("hide", include_str!("hide.conf")),
    ("hide-2", include_str!("hide-2.conf")),
    ("names", include_str!("names.conf")),
    ("shut", include_str!("shut.conf")),
];
/// `enum boesfs_check` of the programs, and the policies it is tried under: sound memos, ones that outlive renames, ones
/// that outlive a reload, ones that are renewed wherever their directory has gone, and ones that are renewed whichever
/// directory was renamed, by the last renames and by the numbers on the way. Sound ones are tried on both kernels; of
/// the others, which show what the comparing is good for, each on one, for a round takes a minute and a half.
const CHECKS: [(&str, Memos, &[&str]); 7] = [
    ("1 memo", Memos::Sound, &["6.1", "6.12"]),
    ("1 hide", Memos::Sound, &["6.1", "6.12"]),
    ("2 hide", Memos::OutliveRenames, &["6.1"]),
    ("3 memo", Memos::OutliveReloads, &["6.12"]),
    ("4 memo", Memos::OutlivePaths, &["6.1"]),
    ("5 memo", Memos::OutliveRecent, &["6.12"]),
    ("6 memo", Memos::OutliveNumbers, &["6.1"]),
];

/// What is tried on `kernel`.
fn checks(kernel: &KernelChoice) -> impl Iterator<Item = (&'static str, Memos)> {
    let name = kernel.name();
    let there = move |(check, memos, kernels): (_, _, &[&str])| {
        kernels.contains(&name.as_str()).then_some((check, memos))
    };
    CHECKS.into_iter().filter_map(there)
}

/// How memos are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memos {
    Sound,
    OutliveRenames,
    OutliveReloads,
    OutlivePaths,
    OutliveRecent,
    OutliveNumbers,
}

/// Tries every kind and reports it.
pub(super) fn run(workspace: &Workspace, requirements: &Requirements, report: &mut Report) {
    machines::on_each_kernel("memos", report, |kernel| machine(workspace, kernel, requirements));
}

fn machine(workspace: &Workspace, kernel: KernelChoice, requirements: &Requirements) -> Tally {
    match churn(workspace, kernel.clone()) {
        Ok(said) => judge(&kernel, &said),
        Err(error) if vm::lacks_kernel(&error) && !requirements.has("lsm") => Tally::skip(error.to_string()),
        Err(error) => Tally::fail(error.to_string()),
    }
}

fn churn(workspace: &Workspace, kernel: KernelChoice) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("memo.sh"), include_str!("memo.sh"))?;
    let mut add = vec![file("memo.sh")];
    for (name, text) in POLICIES {
        let (source, image) = (file(&format!("{name}.conf")), file(&format!("{name}.bin")));
        std::fs::write(&source, text)?;
        let mut build = Command::new(binaries::path(workspace, "boesfsc"));
        build.arg("build").arg(&source).arg("-o").arg(&image);
        process::capture(&mut build)?;
        add.push(image);
    }
    let rounds = checks(&kernel).map(|(check, _)| check);
    let command = ["sh", "memo.sh", SECONDS].into_iter().chain(rounds).map(str::to_owned).collect();
    let job = Job {
        kernel,
        add,
        binaries: binaries::built(workspace),
        traits: vm::Traits { processors: vm::Processors::SecondOff, ..Default::default() },
        timeout: TIMEOUT,
        command,
    };
    let mut output = Vec::new();
    let status = vm::run(workspace, &job, &mut output, &mut std::io::stderr())?;
    let output = String::from_utf8_lossy(&output).into_owned();
    anyhow::ensure!(status == 0, "status {status} after: {output}");
    Ok(output)
}

/// Reads `names: end` and `shut: end`, before which nothing else may be said, and, for each check, `reloads: 5`,
/// `check: 1 memo`, `memos: 12 agreed, 0 differed, 34 renames of directories, 9 untouched, 8 unmoved, 5 named as before, 7
/// derived`.
fn judge(kernel: &KernelChoice, said: &str) -> Tally {
    let mut tally = Tally::default();
    let (names, said) = said.split_once("shut: end\n").unwrap_or((said, ""));
    tally.add(match names {
        "names: end\n" => Tally::pass(),
        _ => Tally::fail(format!("names that memos say nothing of: {names}")),
    });
    let after = |start: &'static str| said.lines().filter_map(move |line| line.strip_prefix(start));
    let (mut reloads, mut rounds, mut memos) = (after("reloads: "), after("check: "), after("memos: "));
    // The last renames are soon forgotten where there are so many: of all rounds some must count.
    let mut sound_untouched = 0;
    for (check, kind) in checks(kernel) {
        if rounds.next() != Some(check) {
            return Tally::fail(format!("check {check} is missing in: {said}"));
        }
        let (reloads, line) = (reloads.next().unwrap_or_default(), memos.next().unwrap_or_default());
        let mut counts = line.split(", ").map_while(|part| part.split(' ').next()?.parse::<u64>().ok());
        let counts = [(); 7].map(|()| counts.next());
        let (
            [
                Some(agreed),
                Some(differed),
                Some(renames),
                Some(untouched),
                Some(unmoved),
                Some(named),
                Some(derived),
            ],
            Ok(reloads),
        ) = (counts, reloads.parse::<u64>())
        else {
            return Tally::fail(format!("no counts of check {check} in: {said}"));
        };
        let renewed = match kind {
            Memos::Sound => unmoved.min(named).min(derived),
            Memos::OutlivePaths => named,
            Memos::OutliveRecent => untouched,
            Memos::OutliveNumbers => unmoved,
            Memos::OutliveRenames | Memos::OutliveReloads => ENOUGH_RENEWED,
        };
        if kind == Memos::Sound {
            sound_untouched += untouched;
        }
        let too_little = agreed + differed < ENOUGH
            || reloads < ENOUGH_RELOADS
            || (kind != Memos::OutliveReloads && renames < ENOUGH)
            || renewed < ENOUGH_RENEWED;
        tally.add(match kind {
            Memos::Sound if differed != 0 => Tally::fail(format!("stale: {line}")),
            _ if kind != Memos::Sound && differed == 0 => {
                Tally::fail(format!("memos that are wrong were not noticed, check {check}: {line}"))
            }
            _ if too_little => {
                Tally::fail(format!("too little was tried, check {check}: {line}, {reloads} reloads"))
            }
            _ => Tally::pass(),
        });
    }
    if sound_untouched < ENOUGH_RENEWED {
        tally.add(Tally::fail(format!("{sound_untouched} memos were renewed by the last renames, too few")));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_broken_memos_may_differ() {
        let said = |kernel: &KernelChoice, differed: &[u64]| {
            let one = |((check, kind), differed)| {
                let renames = if kind == Memos::OutliveReloads { 0 } else { 800 };
                format!(
                    "8 changes\n7 opened, 6 denied\nreloads: 9\ncheck: {check}\nmemos: 900 agreed, {differed} differed, {renames} renames of directories, 300 untouched, 250 unmoved, 200 named as before, 100 derived\n"
                )
            };
            "names: end\nshut: end\n".to_owned() + &checks(kernel).zip(differed).map(one).collect::<String>()
        };
        let [older, newer] = &KernelChoice::BOTH;
        let right = said(older, &[0, 0, 1, 1, 1]);
        assert_eq!(judge(older, &right).passed, 6);
        assert_eq!(judge(newer, &right).failed, 1);
        assert_eq!(judge(older, &format!("touched /above/named\n{right}")).failed, 1);
        assert_eq!(judge(older, &said(older, &[1, 0, 1, 1, 1])).failed, 1);
        assert_eq!(judge(older, &said(older, &[0, 1, 1, 1, 1])).failed, 1);
        assert_eq!(judge(older, &said(older, &[0, 0, 0, 0, 0])).failed, 3);
        assert_eq!(judge(older, &right.replace("900", "1")).failed, 5);
        assert_eq!(judge(older, &right.replace("reloads: 9", "reloads: 0")).failed, 5);
        assert_eq!(judge(older, &right.replace("800", "0")).failed, 5);
        // And one for what all rounds must have of these.
        assert_eq!(judge(older, &right.replace("300 untouched", "0 untouched")).failed, 1);
        assert_eq!(judge(older, &right.replace("250 unmoved", "0 unmoved")).failed, 3);
        assert_eq!(judge(older, &right.replace("200 named", "0 named")).failed, 3);
        assert_eq!(judge(older, &right.replace("100 derived", "0 derived")).failed, 2);
        let right = said(newer, &[0, 0, 1, 1]);
        assert_eq!(judge(newer, &right).passed, 5);
        assert_eq!(judge(newer, &said(newer, &[0, 0, 0, 0])).failed, 2);
        assert_eq!(judge(newer, &right.replace("800", "0")).failed, 3);
        assert_eq!(judge(newer, &right.replace("300 untouched", "0 untouched")).failed, 2);
        assert_eq!(judge(newer, "names: end\nshut: end\ncheck: 1 memo\nmemos: 900 agreed").failed, 1);
        assert_eq!(judge(newer, "").failed, 1);
    }

    #[test]
    fn each_kind_is_tried_somewhere_and_sound_ones_everywhere() {
        for (check, kind, _) in CHECKS {
            let places = KernelChoice::BOTH
                .into_iter()
                .filter(|kernel| checks(kernel).any(|(tried, _)| tried == check));
            assert!(places.count() >= if kind == Memos::Sound { 2 } else { 1 }, "{check}");
        }
    }
}
