//! Every policy of the conformance files that compiles decides alike in its explicit form, where these files are: beside
//! the workspace. Where they are not, each is a skip with that reason.

mod explicit;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use boesfs_compiler::pipeline::{Limits, Stage, run};
use boesfs_compiler::{Op, Policy, Request, Verdict};
use boesfs_grammar::Source;
use explicit::{check_final, lenient, migrated};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

const FILES: [&str; 3] = ["boesfs-vectors.json", "boesfs-original.json", "casbin-vectors.json"];

fn main() -> ExitCode {
    let trials = FILES.map(|file| {
        let name = file.trim_end_matches(".json").replace('-', "_");
        Trial::ignorable_test(format!("{name}_in_the_explicit_form"), move || check(file))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn check(file: &str) -> Result<Completion, Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(file);
    if !path.exists() {
        return Ok(Completion::ignored_with(format!(
            "there is no conformance file `{file}` beside the project"
        )));
    }
    let mut failures = Vec::new();
    let cases: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
    let mut compared = 0;
    for case in cases.as_array().expect("cases") {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let sources: Vec<&str> = match case["model"].as_str() {
            Some(model) => vec![text("policy"), model],
            None => vec![text("policy")],
        };
        if !compiles(&sources) {
            continue;
        }
        compared += 1;
        match migrated(&sources) {
            Ok(form) => {
                check_final(text("name"), &form);
                answers(case, &String::from_utf8_lossy(&form.text), &mut failures);
            }
            Err(error) => failures.push(format!("{}: {error}", text("name"))),
        }
    }
    assert!(compared > 5, "only {compared} policies of `{file}` compile");
    if failures.is_empty() {
        Ok(Completion::Completed)
    } else {
        Err(format!("{} failures:\n{}", failures.len(), failures.join("\n")).into())
    }
}

fn compiles(sources: &[&str]) -> bool {
    let names = ["policy", "model"];
    let sources = names.iter().zip(sources).map(|(name, text)| Source::new(*name, *text)).collect();
    let outcome = run(sources, &lenient(), &Limits::default(), Stage::LAST);
    outcome.is_sound() && outcome.packed.is_some()
}

/// Asks the requests of `case` of the policy in `text`.
fn answers(case: &serde_json::Value, text: &str, failures: &mut Vec<String>) {
    let policy = Policy::options().allow("all").parse(text).expect("a policy");
    for asked in case["requests"].as_array().into_iter().flatten() {
        let word = |key: &str| asked[key].as_str();
        let Some(op) = word("act").and_then(Op::from_name) else { continue };
        let bytes = |key: &str| word(key).unwrap_or_default().as_bytes();
        let Ok(mut request) = Request::new(bytes("sub"), bytes("obj"), op) else { continue };
        // Requests with arguments or a domain are covered by the comparison of the automata.
        if asked.get("args").is_some() || asked.get("dom").is_some() {
            continue;
        }
        request.uid = asked["uid"].as_u64().and_then(|uid| u32::try_from(uid).ok());
        let expected = word("decide").or(word("expect")).unwrap_or_default();
        let verdict = if policy.evaluate(&request).verdict == Verdict::Allow { "allow" } else { "deny" };
        if verdict != expected {
            failures.push(format!("{}: {asked} is {verdict}", case["name"]));
        }
    }
}
