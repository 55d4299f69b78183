//! Every decision of the conformance data, where that folder stands beside the project.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Kind, Request};
use boesfs_abi::verdict::Verdict;
use serde_json::Value;

use super::model;
use crate::model::{Model, Shape};
use crate::reference::Reference;
use crate::rules::{Limits, RuleSet, evaluate, lower};

const FILES: [&str; 4] =
    ["boesfs-vectors.json", "boesfs-original.json", "casbin-vectors.json", "language-vectors.json"];

/// How many differences are printed.
const SHOWN: usize = 40;

#[test]
fn conformance() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let files: Vec<PathBuf> = FILES.iter().map(|file| folder.join(file)).collect();
    if !files.iter().all(|file| file.exists()) {
        say(&format!("skipped: there is no conformance data in {}", folder.display()));
        return;
    }
    let mut asked = 0;
    let mut differences = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
        for case in &cases {
            asked += run(case, &mut differences);
        }
    }
    say(&format!("conformance: {asked} requests, {} differences", differences.len()));
    assert!(differences.is_empty(), "{}", differences[..differences.len().min(SHOWN)].join("\n"));
}

/// Says it whether or not the test passes.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}

fn run(case: &Value, differences: &mut Vec<String>) -> usize {
    let name = case["name"].as_str().unwrap();
    let resolved = model(case["model"].as_str(), case["policy"].as_str().unwrap());
    if case["answer"] == "refused" {
        if resolved.is_ok() {
            differences.push(format!("{name}: should be refused"));
        }
        return 1;
    }
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(messages) => {
            differences.push(format!("{name}: refused: {}", messages.join("; ")));
            return 1;
        }
    };
    let lowered = match lower(&resolved, &Limits::default()) {
        Ok(lowered) => lowered,
        Err(errors) => {
            differences.push(format!("{name}: not lowered: {errors:?}"));
            return 1;
        }
    };
    let reference = Reference::new(&resolved);
    let requests = case["requests"].as_array().unwrap();
    for request in requests {
        if let Some(difference) = ask(request, &resolved, &reference, &lowered) {
            differences.push(format!("{name}: {difference}"));
        }
    }
    requests.len()
}

fn ask(asked: &Value, model: &Model, reference: &Reference<'_>, rules: &RuleSet) -> Option<String> {
    let text = |field: &str| asked[field].as_str();
    let op = Op::from_name(text("act")?).unwrap_or_else(|| panic!("{asked}"));
    let mut request = Request::new(text("sub")?.as_bytes(), text("obj")?.as_bytes(), op)
        .unwrap_or_else(|error| panic!("{asked}: {error}"));
    if let Some(args) = asked["args"].as_array() {
        let args: Vec<&str> = args.iter().map(|arg| arg.as_str().unwrap()).collect();
        request = match request.with_text_args(&args) {
            Ok(request) => request,
            Err(error) => return Some(format!("{asked}: {error}")),
        };
    }
    if let Some(dom) = text("dom") {
        request = request.in_domain(dom.as_bytes());
    }
    let id = |field: &str| asked[field].as_u64().and_then(|id| u32::try_from(id).ok());
    request.uid = id("uid");
    request.gid = id("gid");
    request.kind = text("kind").and_then(Kind::from_name);
    let want = text("decide").or(text("expect")).unwrap();
    let decision = reference.decide(&request);
    if decision.verdict.to_string() != want {
        return Some(format!("{asked}: the reference says {decision:?}"));
    }
    // An engine of its own, for requests that leave nothing open.
    let aliased = model.shape == Shape::Boesfs && matches!(op, Op::Exec | Op::Ioctl);
    let known = !aliased && !request.args().contains(&ArgValue::Unknown);
    if known {
        request.uid = request.uid.or(Some(0));
        request.gid = request.gid.or(Some(0));
        request.kind = request.kind.or(Some(Kind::File));
        let decision = reference.decide(&request);
        let lowered: (Verdict, Option<usize>) = evaluate::decide(rules, &request);
        if lowered != (decision.verdict, decision.rule) {
            return Some(format!("{asked}: the reference says {decision:?}, its terms {lowered:?}"));
        }
    }
    None
}
