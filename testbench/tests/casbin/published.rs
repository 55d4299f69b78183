//! Go Casbin's published tables for its path functions: what is decided here by default, under either compat and by
//! casbin-rs itself. Where any of them says otherwise than the table, `published.ron` says so, with the reason.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use boesfs_abi::verdict::Verdict;
use boesfs_compiler::ask::{EngineKind, Panel, Question};
use boesfs_compiler::model::{Allow, Compat, Settings};
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;
use casbin::function_map;
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    published: Vec<Published>,
    /// Functions that no policy here may hold.
    refused: Vec<Refused>,
    /// Why a text that is no path is not asked about by default.
    no_paths: String,
    /// Where somebody says otherwise than Go Casbin's table.
    differ: Vec<Differ>,
    /// The choices that the documentation lists, each with what it chose.
    choices: Vec<Differ>,
}

/// What Go Casbin's tests say of one pattern.
#[derive(Deserialize)]
struct Published {
    function: String,
    pattern: String,
    takes: Vec<String>,
    leaves: Vec<String>,
}

#[derive(Deserialize)]
struct Refused {
    function: String,
    code: String,
    why: String,
}

/// What each says of some texts under one pattern.
#[derive(Deserialize)]
struct Differ {
    function: String,
    pattern: String,
    texts: Vec<String>,
    default: Says,
    casbin_go: Says,
    casbin_rs: Says,
    /// casbin-rs itself.
    casbin: Says,
    why: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Says {
    Takes,
    Leaves,
    /// Not a pattern.
    Refuses,
    Panics,
}

impl Says {
    const fn of(takes: bool) -> Self {
        if takes { Self::Takes } else { Self::Leaves }
    }
}

fn policy(function: &str, pattern: &str, compat: Option<Compat>) -> Outcome {
    let text = format!(
        "[request_definition]\nr = obj\n\n[policy_definition]\np = obj\n\n[policy_effect]\n\
         e = some(where (p.eft == allow))\n\n[matchers]\nm = {function}(r.obj, p.obj)\n\n[policy]\np, \"{pattern}\"\n"
    );
    let settings = Settings { allow: Allow::All, compat, ..Settings::default() };
    run(vec![Source::new("policy.conf", text)], &settings, &Limits::default(), Stage::LAST)
}

/// What every engine says here; none, if the text is nothing to ask about.
fn ours(outcome: &Outcome, text: &str) -> Option<Says> {
    if !outcome.is_sound() {
        return Some(Says::Refuses);
    }
    let question =
        Question { sub: "nobody".into(), obj: text.into(), act: "read".into(), ..Question::default() };
    let mut answers = [EngineKind::Reference, EngineKind::Dfa, EngineKind::Image].into_iter().map(|engine| {
        let panel = Panel::of_text(outcome, engine, b"/").expect("a policy without errors");
        let request = panel.request(&question).ok()?;
        Some(Says::of(panel.ask(&request).decision == Verdict::Allow))
    });
    let first = answers.next().expect("three engines");
    assert!(answers.all(|answer| answer == first), "our engines differ on {text}");
    first
}

fn theirs(function: &str, text: &str, pattern: &str) -> Says {
    let matches = match function {
        "keyMatch" => function_map::key_match,
        "keyMatch2" => function_map::key_match2,
        "keyMatch3" => function_map::key_match3,
        "keyMatch4" => function_map::key_match4,
        "keyMatch5" => function_map::key_match5,
        "regexMatch" => function_map::regex_match,
        "globMatch" => function_map::glob_match,
        other => panic!("a function `{other}`"),
    };
    catch_unwind(|| matches(text, pattern)).map_or(Says::Panics, Says::of)
}

#[test]
fn published_tables_of_go_casbin() {
    let table: Table = ron::from_str(include_str!("published.ron")).unwrap();
    assert!(!table.no_paths.is_empty());
    let (mut wrong, mut cases, mut no_paths) = (Vec::new(), 0, 0);
    let mut used = BTreeSet::new();
    for Published { function, pattern, takes, leaves } in &table.published {
        let refused = table.refused.iter().find(|refused| refused.function == *function);
        let outcomes = [None, Some(Compat::CasbinGo), Some(Compat::CasbinRs)]
            .map(|compat| policy(function, pattern, compat));
        if let Some(Refused { code, why, .. }) = refused {
            for outcome in &outcomes {
                if why.is_empty() || !outcome.diagnostics.iter().any(|found| found.code == *code) {
                    wrong.push(format!("{function} `{pattern}`: expected {code}: {:?}", outcome.diagnostics));
                }
            }
        }
        let texts = takes.iter().map(|text| (text, Says::Takes));
        for (text, published) in texts.chain(leaves.iter().map(|text| (text, Says::Leaves))) {
            cases += 1;
            let differ = table.differ.iter().position(|differ| {
                differ.function == *function && differ.pattern == *pattern && differ.texts.contains(text)
            });
            let expected = match differ {
                None => [published; 4],
                Some(index) => {
                    used.insert((index, text));
                    let Differ { default, casbin_go, casbin_rs, casbin, why, .. } = &table.differ[index];
                    let says = [*default, *casbin_go, *casbin_rs, *casbin];
                    if why.is_empty() || says == [published; 4] {
                        wrong.push(format!("{function} `{pattern}` {text}: no difference, or no reason"));
                    }
                    says
                }
            };
            let mut said = Vec::new();
            if refused.is_none() {
                said.extend(
                    ["by default", "casbin-go", "casbin-rs"].into_iter().zip(&outcomes).zip(expected),
                );
            }
            for ((who, outcome), expected) in said {
                let is_path = text.len() == 1 || !text.ends_with('/');
                match ours(outcome, text) {
                    Some(says) if says == expected => {}
                    None if who == "by default" && !is_path => no_paths += 1,
                    says => {
                        wrong.push(format!("{function} `{pattern}` {text}: {who} {says:?}, not {expected:?}"))
                    }
                }
            }
            // The crate is built without addresses.
            if function != "ipMatch" && theirs(function, text, pattern) != expected[3] {
                let says = theirs(function, text, pattern);
                wrong.push(format!(
                    "{function} `{pattern}` {text}: casbin-rs itself {says:?}, not {:?}",
                    expected[3]
                ));
            }
        }
    }
    let unused = table.differ.iter().map(|differ| differ.texts.len()).sum::<usize>() - used.len();
    assert!(
        wrong.is_empty() && unused == 0,
        "{unused} differences are not of the table\n{}",
        wrong.join("\n")
    );
    assert_eq!(cases, 206, "the published tables have so many cases");
    println!("{cases} cases of Go Casbin, {} of which differ; {no_paths} texts are no paths", used.len());
}

#[test]
fn documented_choices_between_the_casbins() {
    let table: Table = ron::from_str(include_str!("published.ron")).unwrap();
    let mut wrong = Vec::new();
    for Differ { function, pattern, texts, default, casbin_go, casbin_rs, casbin, why } in &table.choices {
        assert!(!why.is_empty(), "{function} `{pattern}`: no reason");
        for text in texts {
            let compats =
                [(None, default), (Some(Compat::CasbinGo), casbin_go), (Some(Compat::CasbinRs), casbin_rs)];
            for (compat, expected) in compats {
                let says = ours(&policy(function, pattern, compat), text);
                if says != Some(*expected) {
                    wrong.push(format!(
                        "{function} `{pattern}` {text}: {compat:?} {says:?}, not {expected:?}"
                    ));
                }
            }
            let says = theirs(function, text, pattern);
            if says != *casbin {
                wrong.push(format!(
                    "{function} `{pattern}` {text}: casbin-rs itself {says:?}, not {casbin:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
