//! Timing the C code on the host, and counting its instructions.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use boesfs_abi::image::ValidImage;
use boesfs_abi::map::Call;
use boesfs_ebpf::native::NativePolicy;

use crate::policy::{OP, Question};

/// How many requests are counted, and how often.
const COUNTED: usize = 256;
const ROUNDS: u64 = 8;

fn call(class: u32) -> Call {
    Call { op: OP as u32, class, ..Call::default() }
}

/// Nanoseconds of each decision, in several runs over all.
pub(crate) fn time(image: &ValidImage, questions: &[Question], wanted: u64, runs: usize) -> Result<Vec<f64>> {
    let policy = NativePolicy::new(image);
    let mut times = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        let mut denied = 0;
        for question in questions {
            denied += u64::from(policy.decide(call(question.class.0), &question.path)?.deny);
        }
        times.push(begun.elapsed().as_nanos() as f64 / questions.len() as f64);
        ensure!(denied == wanted, "{denied} denied by the C code, not {wanted}");
    }
    Ok(times)
}

/// Instructions of each decision as callgrind counts them: what more rounds take more. `None` without valgrind, or for a large
/// policy.
pub(crate) fn instructions(image: &ValidImage, questions: &[Question]) -> Result<Option<u64>> {
    if image.blob().len() > 8 << 20 || Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(None);
    }
    let folder = std::env::temp_dir().join(format!("boesfs-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (blob, asked) = (folder.join("blob"), folder.join("questions"));
    std::fs::write(&blob, image.blob())?;
    let mut lines = String::new();
    for question in &questions[..COUNTED] {
        writeln!(lines, "{} {}", question.class.0, String::from_utf8_lossy(&question.path))?;
    }
    std::fs::write(&asked, lines)?;
    let count = |rounds: u64| -> Result<u64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .arg("native")
            .args([&blob, &asked])
            .arg(rounds.to_string())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "valgrind: {said}");
        let collected = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        collected.with_context(|| format!("valgrind counted nothing: {said}"))
    };
    let counted = (count(2 * ROUNDS)? - count(ROUNDS)?) / (ROUNDS * COUNTED as u64);
    std::fs::remove_dir_all(&folder)?;
    Ok(Some(counted))
}

/// Decides all questions of a file, so often.
pub(crate) fn repeat(blob: &Path, questions: &Path, rounds: u64) -> Result<()> {
    let policy = NativePolicy::from_blob(&std::fs::read(blob)?);
    let text = std::fs::read_to_string(questions)?;
    let questions: Vec<(u32, &[u8])> = text
        .lines()
        .map(|line| {
            let (class, path) = line.split_once(' ').context("a class and a path")?;
            Ok((class.parse()?, path.as_bytes()))
        })
        .collect::<Result<_>>()?;
    let mut denied = 0;
    for _ in 0..rounds {
        for (class, path) in &questions {
            denied += u64::from(policy.decide(call(*class), path)?.deny);
        }
    }
    println!("{denied}");
    Ok(())
}
