//! What a decision costs: by Rust and C on the image and in the kernel; beside other packings and other engines.
//!
//! `boesfs-bench decide FOLDER MACHINE COMPILER [PEERS]` writes `decide.md` and `decide.json` to FOLDER. MACHINE says what it runs
//! on; COMPILER is `boesfsc`, PEERS the program of `bench/peers`. `cargo xtask bench decide` builds and runs both.
//! Policies larger than `BOESFS_BENCH_MOST` rules are left out, if that is given, and all forms but `BOESFS_BENCH_FORM`.

mod kernel;
mod native;
mod packing;
mod peers;
mod policy;
mod report;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use boesfs_abi::decide::Fields;
use boesfs_abi::image::ValidImage;
use boesfs_abi::verdict::Verdict;
use serde_json::{Value, json};

use kernel::{Kernel, Packing, What};
use packing::States;
use policy::{Form, OP, Question, Subject};
use report::Spread;

/// How many batches of all requests are timed.
const BATCHES: usize = 41;
/// Policies with more rules are packed in one way: to look for gaps for the rows of a comb takes minutes there.
const MOST_PACKED: usize = 10_000;
/// The sizes of a series.
const SIZES: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["decide", folder, machine, compiler] => {
            decide(Path::new(folder), machine, Path::new(compiler), None)
        }
        ["decide", folder, machine, compiler, peers] => {
            decide(Path::new(folder), machine, Path::new(compiler), Some(Path::new(peers)))
        }
        ["native", blob, questions, rounds] => {
            native::repeat(Path::new(blob), Path::new(questions), rounds.parse()?)
        }
        _ => bail!("boesfs-bench decide FOLDER MACHINE COMPILER [PEERS]"),
    }
}

fn decide(folder: &Path, machine: &str, compiler: &Path, peers: Option<&Path>) -> Result<()> {
    let mut rows = Vec::new();
    let mut packings = Vec::new();
    let mut beside = Vec::new();
    let most = std::env::var("BOESFS_BENCH_MOST").map_or(Ok(usize::MAX), |most| most.parse())?;
    let only = std::env::var("BOESFS_BENCH_FORM").ok();
    let wanted = |form: &Form| only.as_ref().is_none_or(|only| *only == form.name());
    for form in [Form::Tree, Form::Random, Form::Around].into_iter().filter(wanted) {
        for rules in SIZES.into_iter().filter(|rules| *rules <= most) {
            let Some(subject) = Subject::new(compiler, form, rules)? else {
                rows.push(json!({"form": form.name(), "rules": rules, "refused": true}));
                continue;
            };
            let mut row = |questions: &[Question], what: &str, allowed: bool| -> Result<()> {
                let row = measured(&subject, questions, what, allowed)?;
                eprintln!("{}", report::line(&row));
                rows.push(row);
                Ok(())
            };
            row(&subject.hits, "hit", true)?;
            row(&subject.misses(), "miss", false)?;
            if form == Form::Tree {
                row(&subject.resumed(), "hit, last name", true)?;
                if rules <= MOST_PACKED {
                    packings.extend(packed(&subject)?);
                }
                if let Some(peers) = peers.filter(|_| rules <= 10_000) {
                    beside.extend(peers::ask(peers, &subject)?);
                }
            }
        }
    }
    for form in [Form::Short, Form::Long(200), Form::Long(1000)].into_iter().filter(wanted) {
        let subject =
            Subject::new(compiler, form, 1000)?.context("a policy of 1000 rules is not too large")?;
        let row = measured(&subject, &subject.hits, "hit", true)?;
        eprintln!("{}", report::line(&row));
        rows.push(row);
    }
    let results = json!({"machine": machine, "batches": BATCHES, "requests": policy::REQUESTS, "decisions": rows,
        "packings": packings, "peers": beside});
    std::fs::write(folder.join("decide.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    std::fs::write(folder.join("decide.md"), report::markdown(&results))?;
    Ok(())
}

/// One line of the results: the same questions to each engine, whose answers have to be the same.
fn measured(subject: &Subject, questions: &[Question], what: &str, allowed: bool) -> Result<Value> {
    let image = &subject.image;
    let wanted = if allowed { 0 } else { questions.len() as u64 };
    let mut kernel =
        Kernel::load(Packing::Nodes, image.blob())?.context("a policy fits where a policy fits")?;
    kernel.ask(questions, |question| (question.from.node, question.from.inside.into()))?;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..BATCHES {
        for (what, times) in [What::Nothing, What::Walk, What::Decision].into_iter().zip(&mut times) {
            let (ns, sum) = kernel.time(what)?;
            ensure!(
                what != What::Decision || sum.denied == wanted,
                "{} denied in the kernel, not {wanted}",
                sum.denied
            );
            times.push(ns);
        }
    }
    let [nothing, walk, decision] = times.map(Spread::of);
    let rust = Spread::of((0..BATCHES).map(|_| by_rust(image, questions, wanted)).collect::<Result<_>>()?);
    let whole = questions.iter().all(|question| question.begun == 0);
    let (native, instructions) = if whole {
        let native = native::time(image, questions, wanted, BATCHES)?;
        (Some(Spread::of(native)), native::instructions(image, questions)?)
    } else {
        (None, None)
    };
    let bytes: usize = questions.iter().map(|question| question.path.len() - question.begun).sum();
    Ok(json!({
        "form": subject.form.name(), "rules": subject.rules, "what": what,
        "bytes": bytes / questions.len(), "blob": image.blob().len(),
        "nodes": nodes(image, questions),
        "loop": nothing.json(), "walk": walk.json(), "bpf": decision.json(), "rust": rust.json(),
        "native": native.map(|spread| spread.json()), "native_instructions": instructions,
    }))
}

/// Nodes that a walk reads, on the average.
fn nodes(image: &ValidImage, questions: &[Question]) -> f64 {
    let read: usize = questions
        .iter()
        .map(|question| {
            let (mut state, mut nodes) = (question.from, 1);
            for byte in &question.path[question.begun..] {
                let next = image.step(state, *byte);
                nodes += usize::from(next.node != state.node);
                state = next;
            }
            nodes
        })
        .sum();
    read as f64 / questions.len() as f64
}

/// Nanoseconds of each decision by the Rust code, in one run over all.
fn by_rust(image: &ValidImage, questions: &[Question], wanted: u64) -> Result<f64> {
    let begun = Instant::now();
    let mut denied = 0;
    for question in questions {
        let state = image.walk(question.from, &question.path[question.begun..]);
        let decision = image.decide(state, question.class, OP, &Fields::UNKNOWN);
        denied += u64::from(decision.verdict == Verdict::Deny);
    }
    let ns = begun.elapsed().as_nanos() as f64 / questions.len() as f64;
    ensure!(denied == wanted, "{denied} denied by the Rust code, not {wanted}");
    Ok(ns)
}

/// The automaton in each packing: how large it is, and how long a walk takes.
fn packed(subject: &Subject) -> Result<Vec<Value>> {
    let image = &subject.image;
    let header = image.header();
    let Some(states) = States::of(image) else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    let nodes_bytes = header.nodes_len as usize;
    let mut labels = None;
    for packing in [Packing::Nodes, Packing::Dense, Packing::Comb] {
        let table = match packing {
            Packing::Nodes => None,
            Packing::Dense => Some(states.dense()),
            Packing::Comb => Some(states.comb()),
        };
        let bytes = table.as_ref().map_or(nodes_bytes, |table| table.bytes.len());
        let kernel = Kernel::load(packing, table.as_ref().map_or(image.blob(), |table| &table.bytes))?;
        let time = match kernel {
            None => None,
            Some(mut kernel) => {
                kernel.ask(&subject.hits, |question| match &table {
                    None => (question.from.node, question.from.inside.into()),
                    Some(table) => (table.row(&states, question.from), 0),
                })?;
                let mut times = Vec::new();
                for _ in 0..BATCHES {
                    let (ns, sum) = kernel.time(What::Walk)?;
                    ensure!(
                        *labels.get_or_insert(sum.labels) == sum.labels,
                        "{packing:?} leads to other labels"
                    );
                    times.push(ns);
                }
                Some(Spread::of(times))
            }
        };
        let line = json!({"packing": format!("{packing:?}").to_lowercase(), "rules": subject.rules,
            "states": states.count(), "classes": states.class_count(), "bytes": bytes,
            "bytes_a_state": bytes as f64 / states.count() as f64, "walk": time.map(|spread| spread.json())});
        eprintln!("{line}");
        lines.push(line);
    }
    Ok(lines)
}
