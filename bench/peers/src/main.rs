//! Asks casbin-rs, Cedar and regorus what a policy says, and how long they take to say it.
//!
//! `boesfs-bench-peers POLICY REQUESTS ENGINE…`: a policy in the one-file form whose rules are `p, sub, obj, act, allow`, and
//! a file with one request `sub obj act` a line. Prints for each engine one line of JSON: nanoseconds of each run over
//! all requests, divided by how many there are, and how many are allowed.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use casbin::{CoreApi as _, DefaultModel, Enforcer, StringAdapter};
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use regorus::Value;
use serde_json::json;

/// How long each engine is asked at least, and how often.
const SECONDS: f64 = 2.0;
const RUNS: usize = 5;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [policy, requests, engines @ ..] = &arguments[..] else {
        bail!("a policy, requests and engines are needed")
    };
    let policy = std::fs::read_to_string(policy).with_context(|| policy.clone())?;
    let requests = std::fs::read_to_string(requests).with_context(|| requests.clone())?;
    let requests: Vec<[&str; 3]> = requests.lines().filter_map(triple).collect();
    let (model, rules) = policy.split_once("[policy]\n").context("the policy has no section [policy]")?;
    let rules: Vec<[&str; 3]> =
        rules.lines().filter_map(|line| triple(line.strip_prefix("p, ")?.strip_suffix(", allow")?)).collect();
    for engine in engines {
        let begun = Instant::now();
        let mut ask = match engine.as_str() {
            "casbin-rs" => casbin(model, &rules)?,
            "cedar" => cedar(&rules, &requests)?,
            "regorus" => regorus(&rules)?,
            other => bail!("`{other}` is no engine that is known here"),
        };
        let loaded = begun.elapsed();
        let mut allowed = 0;
        let mut runs = Vec::new();
        let begun = Instant::now();
        while runs.len() < RUNS || begun.elapsed().as_secs_f64() < SECONDS {
            allowed = 0;
            let run = Instant::now();
            for (index, request) in requests.iter().enumerate() {
                allowed += u32::from(ask(index, *request)?);
            }
            runs.push(run.elapsed().as_nanos() as f64 / requests.len() as f64);
        }
        let line = json!({"engine": engine, "rules": rules.len(), "requests": requests.len(), "allowed": allowed,
            "load_seconds": loaded.as_secs_f64(), "ns": runs});
        println!("{line}");
    }
    Ok(())
}

/// What is asked: of the request with a number.
type Ask<'a> = Box<dyn FnMut(usize, [&str; 3]) -> Result<bool> + 'a>;

/// A subject, an object and an action, whatever stands between them.
fn triple(line: &str) -> Option<[&str; 3]> {
    let mut words = line.split([',', ' ']).filter(|word| !word.is_empty());
    Some([words.next()?, words.next()?, words.next()?])
}

/// The same policy: casbin-rs reads this form.
fn casbin<'a>(model: &str, rules: &[[&str; 3]]) -> Result<Ask<'a>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut lines = String::new();
    for [sub, obj, act] in rules {
        writeln!(lines, "p, {sub}, {obj}, {act}, allow")?;
    }
    let enforcer = runtime.block_on(async {
        let model = DefaultModel::from_str(model).await?;
        Enforcer::new(model, StringAdapter::new(lines)).await
    })?;
    Ok(Box::new(move |_, [sub, obj, act]| Ok(enforcer.enforce((sub, obj, act))?)))
}

/// One `permit` for each rule, and requests made beforehand.
fn cedar<'a>(rules: &[[&str; 3]], requests: &[[&str; 3]]) -> Result<Ask<'a>> {
    let mut text = String::new();
    for [sub, obj, act] in rules {
        writeln!(
            text,
            "permit(principal == Program::{sub:?}, action == Action::{act:?}, resource == File::{obj:?});"
        )?;
    }
    let policies: PolicySet = text.parse()?;
    let uid = |kind: &str, name: &str| -> Result<EntityUid> { Ok(format!("{kind}::{name:?}").parse()?) };
    let requests: Vec<Request> = requests
        .iter()
        .map(|[sub, obj, act]| {
            let (sub, act, obj) = (uid("Program", sub)?, uid("Action", act)?, uid("File", obj)?);
            Ok(Request::new(sub, act, obj, Context::empty(), None)?)
        })
        .collect::<Result<_>>()?;
    let (authorizer, entities) = (Authorizer::new(), Entities::empty());
    Ok(Box::new(move |index, _| {
        let answer = authorizer.is_authorized(&requests[index], &policies, &entities);
        Ok(answer.decision() == Decision::Allow)
    }))
}

/// The rules as data that are looked up, not gone through: what a Rego author would write.
fn regorus<'a>(rules: &[[&str; 3]]) -> Result<Ask<'a>> {
    let mut data = serde_json::Map::new();
    for [sub, obj, act] in rules {
        data.entry(*sub).or_insert_with(|| json!({}))[*obj][*act] = json!(true);
    }
    let mut engine = regorus::Engine::new();
    let policy = "package files\nimport rego.v1\ndefault allow := false\nallow if data.rules[input.sub][input.obj][input.act]\n";
    engine.add_policy("files.rego".to_owned(), policy.to_owned())?;
    engine.add_data(Value::from_json_str(&json!({"rules": data}).to_string())?)?;
    Ok(Box::new(move |_, [sub, obj, act]| {
        let mut input = Value::new_object();
        let fields = input.as_object_mut()?;
        for (name, value) in [("sub", sub), ("obj", obj), ("act", act)] {
            fields.insert(Value::from(name), Value::from(value));
        }
        engine.set_input(input);
        Ok(engine.eval_rule("data.files.allow".to_owned())? == Value::from(true))
    }))
}
