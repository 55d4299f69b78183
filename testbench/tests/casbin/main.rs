//! The differential against casbin-rs, for policies in Casbin's shape: its own examples, random policies, and a table of
//! divergences that is tested itself.

mod compat;
mod published;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use boesfs_testbench::case::request;
use boesfs_testbench::engine::{Prepared, engine};
use boesfs_testbench::policy::{Policy, PolicySource};
use boesfs_testbench::question::{Outcome, Question};
use casbin::{CoreApi, DefaultModel, Enforcer, StringAdapter};
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::Deserialize;

/// What somebody says to a request.
fn casbin_says(
    model: &str,
    policy: &str,
    requests: &[Vec<String>],
) -> Result<Vec<&'static str>, &'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread");
    let enforcer = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let model = DefaultModel::from_str(model).await?;
            Enforcer::new(model, StringAdapter::new(policy)).await
        })
    }));
    let enforcer = match enforcer {
        Ok(Ok(enforcer)) => enforcer,
        Ok(Err(_)) => return Err("refused"),
        Err(_) => return Err("panic"),
    };
    let say =
        |request: &Vec<String>| match catch_unwind(AssertUnwindSafe(|| enforcer.enforce(request.clone()))) {
            Ok(Ok(true)) => "allow",
            Ok(Ok(false)) => "deny",
            Ok(Err(_)) => "error",
            Err(_) => "panic",
        };
    Ok(requests.iter().map(say).collect())
}

fn fields(model: &str) -> Vec<String> {
    let line = model.lines().find_map(|line| line.strip_prefix("r = ")).expect("a request definition");
    line.split(',').map(|field| field.trim().to_owned()).collect()
}

fn we_say(model: &str, policy: &str, requests: &[Vec<String>]) -> Result<Vec<&'static str>, String> {
    let source = PolicySource {
        name: "casbin".into(),
        policy: policy.into(),
        model: Some(model.into()),
        allow: vec!["all".into()],
    };
    let policy = Policy::compile(&source).map_err(|refused| refused.to_string())?;
    let mut image = engine("image").expect("an engine").prepare(&policy).expect("a policy it takes");
    let fields = fields(model);
    Ok(requests.iter().map(|values| one(image.as_mut(), &fields, values)).collect())
}

fn one(image: &mut dyn Prepared, fields: &[String], values: &[String]) -> &'static str {
    let value = |name: &str| fields.iter().position(|field| field == name).map(|at| values[at].as_str());
    let sub = value("sub").unwrap_or("/bin/nobody");
    let asked = request(sub, value("obj").unwrap_or("/"), value("act").unwrap_or("read"), &[]);
    let Ok(mut asked) = asked else { return "error" };
    if let Some(dom) = value("dom") {
        asked = asked.in_domain(dom.as_bytes());
    }
    match image.ask(&Question::decision(asked)) {
        Outcome::Answered(answer) => match answer.verdict {
            boesfs_abi::verdict::Verdict::Allow => "allow",
            boesfs_abi::verdict::Verdict::Deny => "deny",
        },
        Outcome::Skipped(_) | Outcome::Failed(_) => "error",
    }
}

/// One thing on which the two differ.
#[derive(Deserialize)]
struct Divergence {
    name: String,
    why: String,
    model: Vec<String>,
    policy: Vec<String>,
    request: Vec<String>,
    ours: String,
    casbin: String,
}

#[test]
fn each_divergence_is_there() {
    let table: Vec<Divergence> = ron::from_str(include_str!("divergences.ron")).unwrap();
    let mut wrong = Vec::new();
    for Divergence { name, why, model, policy, request, ours, casbin } in table {
        assert!(!why.is_empty() && ours != casbin, "{name} is no divergence");
        let (model, policy) = (model.join("\n"), policy.join("\n"));
        let requests = [request];
        let we = we_say(&model, &policy, &requests)
            .map_or_else(|error| format!("refused: {error}"), |says| says[0].into());
        let they = casbin_says(&model, &policy, &requests).map_or_else(|says| says, |says| says[0]);
        if !we.starts_with(&ours) || they != casbin {
            wrong.push(format!("{name}: we say {we}, casbin-rs says {they}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The examples in the published crate, from wherever cargo built it.
fn examples() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let casbin = packages.iter().find(|package| package["name"] == "casbin").expect("a package casbin");
    Path::new(casbin["manifest_path"].as_str().expect("a path")).with_file_name("examples")
}

/// Casbin's words to ours, in models, policies and requests alike.
const WORDS: [(&str, &str); 9] = [
    ("alice", "/bin/alice"),
    ("bob", "/bin/bob"),
    ("root", "/bin/root"),
    ("data1", "/data1"),
    ("data2", "/data2"),
    ("data3", "/data3"),
    ("GET", "read"),
    ("POST", "write"),
    ("DELETE", "unlink"),
];

fn translated(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for char in text.chars().chain(['\n']) {
        if char.is_alphanumeric() || char == '_' {
            word.push(char);
            continue;
        }
        let known = WORDS.iter().find(|(theirs, _)| *theirs == word);
        out.push_str(known.map_or(&word, |(_, ours)| ours));
        word.clear();
        out.push(char);
    }
    out
}

const EXAMPLES: [(&str, &str); 12] = [
    ("basic_model.conf", "basic_policy.csv"),
    ("basic_with_root_model.conf", "basic_policy.csv"),
    ("basic_without_users_model.conf", "basic_without_users_policy.csv"),
    ("basic_without_resources_model.conf", "basic_without_resources_policy.csv"),
    ("rbac_model.conf", "rbac_policy.csv"),
    ("rbac_model_in_multi_line.conf", "rbac_policy.csv"),
    ("rbac_model_matcher_using_in_op.conf", "rbac_policy.csv"),
    ("rbac_model.conf", "rbac_with_hierarchy_policy.csv"),
    ("rbac_with_deny_model.conf", "rbac_with_deny_policy.csv"),
    ("rbac_with_not_deny_model.conf", "rbac_with_deny_policy.csv"),
    ("rbac_with_domains_model.conf", "rbac_with_domains_policy.csv"),
    ("priority_model.conf", "priority_policy.csv"),
];

#[test]
fn examples_of_casbin_decide_as_in_casbin() {
    let folder = examples();
    let mut asked = 0;
    for (model, policy) in EXAMPLES {
        let name = format!("{model} with {policy}");
        let read = |file: &str| translated(&std::fs::read_to_string(folder.join(file)).unwrap());
        let (model, policy) = (read(model), read(policy));
        let mut requests: Vec<Vec<String>> = vec![Vec::new()];
        for field in fields(&model) {
            let values: &[&str] = match field.as_str() {
                "sub" => &["/bin/alice", "/bin/bob", "/bin/root", "/bin/eve"],
                "obj" => &["/data1", "/data2", "/data3"],
                "act" => &["read", "write", "unlink"],
                "dom" => &["domain1", "domain2", "domain3"],
                other => panic!("{name}: a field `{other}`"),
            };
            requests = requests
                .iter()
                .flat_map(|request| {
                    values.iter().map(move |value| [request.as_slice(), &[(*value).to_owned()]].concat())
                })
                .collect();
        }
        let theirs = casbin_says(&model, &policy, &requests).unwrap();
        let ours = we_say(&model, &policy, &requests).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        for ((request, theirs), ours) in requests.iter().zip(theirs).zip(ours) {
            assert_eq!(theirs, ours, "{name}: {request:?}");
            asked += 1;
        }
    }
    println!("{asked} requests of {} examples", EXAMPLES.len());
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    proptest::sample::select(words)
}

#[test]
fn random_policies_decide_as_in_casbin() {
    const SUBJECTS: &[&str] = &["/bin/a", "/bin/b", "dev", "ops", "*"];
    const LITERALS: &[&str] = &["/x", "/x/y", "/x/y/z", "/xy"];
    const PATTERNS: &[&str] = &["/x", "/x*", "/x/*", "/*", "/x/y/*"];
    let rule =
        (one_of(SUBJECTS), any::<proptest::sample::Index>(), one_of(&["read", "write", "*"]), any::<bool>());
    let effect = one_of(&[
        "some(where (p.eft == allow))",
        "!some(where (p.eft == deny))",
        "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
        "priority(p.eft) || deny",
    ]);
    let subject = one_of(&["r.sub == p.sub", "g(r.sub, p.sub)", "(g(r.sub, p.sub) || p.sub == \"*\")"]);
    let path = proptest::sample::select(vec![
        ("r.obj == p.obj", LITERALS),
        ("keyMatch(r.obj, p.obj)", PATTERNS),
        ("keyMatch2(r.obj, p.obj)", PATTERNS),
    ]);
    let act = one_of(&["r.act == p.act", "(r.act == p.act || p.act == \"*\")", "r.act != \"unlink\""]);
    let edge = one_of(&["/bin/a, dev", "/bin/b, ops", "dev, ops", "/bin/a, ops"]);
    let policies = (
        effect,
        subject,
        path,
        act,
        proptest::collection::vec(rule, 0..7),
        proptest::collection::vec(edge, 1..4),
    );
    let mut requests = Vec::new();
    for sub in ["/bin/a", "/bin/b", "/bin/c"] {
        for obj in ["/x", "/x/y", "/x/y/z", "/xy", "/z"] {
            for act in ["read", "write", "unlink"] {
                requests.push([sub, obj, act].map(str::to_owned).to_vec());
            }
        }
    }
    let config =
        Config { cases: Config::default().cases.min(120), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&policies, |(effect, subject, (path, texts), act, rules, edges)| {
        let model = format!(
            "[request_definition]\nr = sub, obj, act\n\n[policy_definition]\np = sub, obj, act, eft\n\n\
             [role_definition]\ng = _, _\n\n[policy_effect]\ne = {effect}\n\n[matchers]\nm = {subject} && {path} && {act}\n"
        );
        let mut lines: Vec<String> = Vec::new();
        for (sub, obj, act, deny) in rules {
            let eft = if deny { "deny" } else { "allow" };
            // A group of all operations is `*` in our equality too; Casbin compares text, which its own term allows for.
            let act = if act == "*" && !model.contains("p.act == \"*\"") { "read" } else { act };
            let line = format!("p, {sub}, {}, {act}, {eft}", obj.get(texts));
            // Casbin moves a repeated rule to the end; see the table of divergences.
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let mut edges = edges;
        edges.sort_unstable();
        edges.dedup();
        lines.extend(edges.iter().map(|edge| format!("g, {edge}")));
        let policy = lines.join("\n");
        let describe = || format!("\n{model}\n{policy}");
        let theirs = casbin_says(&model, &policy, &requests)
            .map_err(|says| TestCaseError::fail(format!("casbin-rs says {says}{}", describe())))?;
        let ours = we_say(&model, &policy, &requests)
            .map_err(|says| TestCaseError::fail(format!("refused: {says}{}", describe())))?;
        for ((request, theirs), ours) in requests.iter().zip(theirs).zip(ours) {
            if theirs != ours {
                let difference = format!("{request:?}: casbin-rs says {theirs}, we say {ours}{}", describe());
                return Err(TestCaseError::fail(difference));
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
