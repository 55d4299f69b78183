//! casbin-rs's own examples as they stand, under `compat`: every request of a small universe is decided as casbin-rs
//! does, by every engine that needs no system call. What is not so is in [`EXAMPLES`], with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use boesfs_compiler::ask::{EngineKind, Panel, Question};
use boesfs_compiler::model::{Allow, Compat, Settings};
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;
use casbin::{CoreApi, DefaultModel, EnforceContext, Enforcer, StringAdapter};

use super::{examples, fields};

/// How an example fares.
enum Fate {
    /// Both decide alike.
    Same,
    /// Both decide alike, but for requests by these subjects.
    But(&'static [&'static str], &'static str),
    /// It is refused here, with this code.
    Refused(&'static str, &'static str),
}

use Fate::{But, Refused, Same};

const A_ROLE_IS_NO_PROGRAM: &str = "a program whose name happens to be a role's is not that role (LANGUAGE §3); casbin-rs compares the texts";

/// Model, policy, the type that decides, and its fate.
const EXAMPLES: [(&str, &str, &str, Fate); 27] = [
    ("basic_model.conf", "basic_policy.csv", "", Same),
    ("basic_model.conf", "basic_inverse_policy.csv", "", Same),
    ("basic_with_root_model.conf", "basic_policy.csv", "", Same),
    ("basic_without_users_model.conf", "basic_without_users_policy.csv", "", Same),
    ("basic_without_resources_model.conf", "basic_without_resources_policy.csv", "", Same),
    ("keymatch_model.conf", "keymatch_policy.csv", "", Same),
    ("keymatch2_model.conf", "keymatch2_policy.csv", "", Same),
    ("keymatch_custom_model.conf", "keymatch2_policy.csv", "", Refused("E0402", "the function is code")),
    ("abac_model.conf", "basic_policy.csv", "", Refused("E0401", "nobody supplies the attribute")),
    ("ipmatch_model.conf", "ipmatch_policy.csv", "", Refused("E0401", "a file request has no address")),
    ("multi_section_model.conf", "multi_section_policy.csv", "", Same),
    ("multi_section_model.conf", "multi_section_policy.csv", "2", Same),
    (
        "priority_model.conf",
        "priority_policy.csv",
        "",
        But(&["data1_deny_group", "data2_allow_group"], A_ROLE_IS_NO_PROGRAM),
    ),
    (
        "priority_model.conf",
        "priority_indeterminate_policy.csv",
        "",
        Refused("E0303", "an eft that is neither allow nor deny is not ignored but reported"),
    ),
    (
        "rbac_basic_role_model.conf",
        "rbac_basic_role_policy.csv",
        "",
        But(&["book_admin", "pen_admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    ("rbac_model.conf", "rbac_policy.csv", "", But(&["data2_admin"], A_ROLE_IS_NO_PROGRAM)),
    ("rbac_model_in_multi_line.conf", "rbac_policy.csv", "", But(&["data2_admin"], A_ROLE_IS_NO_PROGRAM)),
    ("rbac_model_matcher_using_in_op.conf", "rbac_policy.csv", "", Same),
    (
        "rbac_model.conf",
        "rbac_with_hierarchy_policy.csv",
        "",
        But(&["admin", "data1_admin", "data2_admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    (
        "rbac_with_deny_model.conf",
        "rbac_with_deny_policy.csv",
        "",
        But(&["data2_admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    ("rbac_with_not_deny_model.conf", "rbac_with_deny_policy.csv", "", Same),
    (
        "rbac_with_domains_model.conf",
        "rbac_with_domains_policy.csv",
        "",
        But(&["admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    (
        "rbac_with_domains_model.conf",
        "rbac_with_hierarchy_with_domains_policy.csv",
        "",
        But(&["role:reader", "role:writer", "role:global_admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    (
        "rbac_with_pattern_model.conf",
        "rbac_with_pattern_policy.csv",
        "",
        But(&["book_admin", "pen_admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    (
        "rbac_with_pattern_domain_model.conf",
        "rbac_with_pattern_domain_policy.csv",
        "",
        But(&["admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    (
        "rbac_with_resource_roles_model.conf",
        "rbac_with_resource_roles_policy.csv",
        "",
        But(&["data_group_admin"], A_ROLE_IS_NO_PROGRAM),
    ),
    ("error/error_model.conf", "basic_policy.csv", "", Refused("E0101", "it is none for casbin-rs either")),
];

/// The values a field takes: what the policy's lines hold there or anywhere, and words they do not.
fn values(field: &str, model: &str, policy: &str) -> Vec<String> {
    let mut words: Vec<String> = policy
        .lines()
        .flat_map(|line| line.split(',').skip(1))
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    words.extend(model.split('"').skip(1).step_by(2).map(str::to_owned));
    words.extend(
        ["/alice_data/x", "/alice_data2/7/using/8", "/cathy_data", "GET", "POST", "write", "nothing"]
            .map(str::to_owned),
    );
    words.sort_unstable();
    words.dedup();
    let is_path = |word: &String| word.starts_with('/');
    match field {
        "obj" => words.retain(|word| {
            is_path(word) || !["read", "write", "GET", "POST", "allow", "deny"].contains(&word.as_str())
        }),
        // A request is about one action: groups of ours are no words.
        "act" => words.retain(|word| !is_path(word) && word != "*"),
        "dom" => words.retain(|word| word.starts_with("domain") || word == "nothing"),
        _ => words.retain(|word| !is_path(word)),
    }
    words
}

fn requests(fields: &[String], model: &str, policy: &str) -> Vec<Vec<String>> {
    fields.iter().fold(vec![Vec::new()], |requests, field| {
        let values = values(field, model, policy);
        requests
            .iter()
            .flat_map(|request| {
                values.iter().map(move |value| [request.as_slice(), std::slice::from_ref(value)].concat())
            })
            .collect()
    })
}

fn taken(model: &str, policy: &str, select: &str, word: Option<&str>) -> Outcome {
    let settings = Settings {
        allow: Allow::All,
        select: (!select.is_empty()).then(|| format!("p{select}")),
        compat: Some(Compat::CasbinRs),
        word: word.map(str::to_owned),
        ..Settings::default()
    };
    let sources = vec![Source::new("policy.csv", policy), Source::new("model.conf", model)];
    run(sources, &settings, &Limits::default(), Stage::LAST)
}

/// What casbin-rs says to each request.
fn theirs(model: &str, policy: &str, select: &str, requests: &[Vec<String>]) -> Vec<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread");
    runtime.block_on(async {
        let model = DefaultModel::from_str(model).await.expect("a model");
        let enforcer = Enforcer::new(model, StringAdapter::new(policy)).await.expect("a policy");
        let decide = |request: &Vec<String>| match select {
            "" => enforcer.enforce(request.clone()),
            select => enforcer.enforce_with_context(EnforceContext::new(select), request.clone()),
        };
        requests.iter().map(|request| decide(request).expect("a decision")).collect()
    })
}

fn check(
    folder: &Path,
    (model_file, policy_file, select, fate): &(&str, &str, &str, Fate),
) -> Result<usize, String> {
    let name = format!("{model_file} with {policy_file}, p{select}");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("an example");
    let (model, policy) = (read(model_file), read(policy_file));
    let outcome = taken(&model, &policy, select, None);
    let excepted = match fate {
        Refused(code, why) => {
            let refused = outcome.diagnostics.iter().any(|found| found.code == *code);
            return if refused && !why.is_empty() {
                Ok(0)
            } else {
                Err(format!("{name}: expected {code}, found {:?}", outcome.diagnostics))
            };
        }
        Same => &[][..],
        But(subjects, why) if !why.is_empty() => *subjects,
        But(..) => return Err(format!("{name}: no reason")),
    };
    if !outcome.is_sound() {
        return Err(format!("{name}: {:?}", outcome.diagnostics));
    }
    let definition = if select.is_empty() {
        model.clone()
    } else {
        model.replace(&format!("r{select} = "), "r = ").replacen("r = ", "x = ", 1)
    };
    let fields = fields(&definition);
    let requests = requests(&fields, &model, &policy);
    let theirs = theirs(&model, &policy, select, &requests);
    let mut by_word: BTreeMap<String, Outcome> = BTreeMap::new();
    let (mut differ, mut shown) = (Vec::new(), false);
    for (request, theirs) in requests.iter().zip(theirs) {
        let value = |field: &str| fields.iter().position(|name| name == field).map(|at| request[at].clone());
        let question = Question {
            sub: value("sub").unwrap_or_else(|| "nobody".to_owned()).into_bytes(),
            obj: value("obj").unwrap_or_else(|| "/".to_owned()).into_bytes(),
            act: value("act").unwrap_or_else(|| "read".to_owned()),
            dom: value("dom").map(String::into_bytes),
            ..Question::default()
        };
        let outcome = match question.word() {
            Some(word) => {
                by_word.entry(word.to_owned()).or_insert_with(|| taken(&model, &policy, select, Some(word)))
            }
            None => &outcome,
        };
        let ours: Vec<bool> = [EngineKind::Reference, EngineKind::Dfa, EngineKind::Image]
            .into_iter()
            .map(|engine| {
                let panel = Panel::of_text(outcome, engine, b"/").expect("a policy without errors");
                let request = panel.request(&question).expect("a request");
                panel.ask(&request).decision == boesfs_abi::verdict::Verdict::Allow
            })
            .collect();
        if ours.windows(2).any(|pair| pair[0] != pair[1]) {
            differ.push(format!("{request:?}: our engines say {ours:?}"));
        }
        let excepted = excepted.contains(&value("sub").unwrap_or_default().as_str());
        if ours[0] != theirs && !excepted {
            differ.push(format!("{request:?}: we say {}, casbin-rs says {theirs}", ours[0]));
        }
        shown |= excepted && ours[0] != theirs;
    }
    if !excepted.is_empty() && !shown {
        differ.push("the exception is none".to_owned());
    }
    if differ.is_empty() { Ok(requests.len()) } else { Err(format!("{name}: {}", differ.join("\n"))) }
}

#[test]
fn examples_as_they_stand_decide_as_in_casbin() {
    let folder = examples();
    let results: Vec<Result<usize, String>> =
        EXAMPLES.iter().map(|example| check(&folder, example)).collect();
    let wrong: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{} requests of {} examples", results.into_iter().flatten().sum::<usize>(), EXAMPLES.len());
}
