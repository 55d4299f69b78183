//! Small policies that would be huge if they were written out.

use std::fmt::Write as _;

use boesfs_compiler::model::{Allow, Settings};
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;

const HEAD: &str = "[request_definition]\nr = sub, obj, act\n[role_definition]\ng = _, _\na = _, _; _, _\n\
    [policy_effect]\ne = some(where (p.eft == allow))\n";

fn taken(text: String) -> Outcome {
    let mut limits = Limits::default();
    limits.automaton.states = 20_000;
    limits.automaton.pattern_states = 20_000;
    limits.automaton.set_items = 200_000;
    let settings = Settings { allow: Allow::All, ..Settings::default() };
    run(vec![Source::new("bomb", text.into_bytes())], &settings, &limits, Stage::Image)
}

#[test]
fn a_billion_laughs_of_roles_are_one() {
    let mut text = format!(
        "{HEAD}[policy_definition]\np = sub, obj, act, args, eft\n\
         [matchers]\nm = a(r.act, p.act; r.args, p.args) && r.obj == p.obj\n[policy]\na, l0, read, (5)\n"
    );
    for level in 1..40 {
        for _ in 0..10 {
            writeln!(text, "a, l{level}, l{}, (*)", level - 1).expect("text");
        }
    }
    text += "p, x, /y, l39, *, allow\n";
    let outcome = taken(text.replace("r = sub, obj, act", "r = sub, obj, act, args"));
    assert!(outcome.is_sound(), "{:?}", outcome.diagnostics);
    assert_eq!(outcome.model.expect("a model").action_roles[39].members.len(), 1);
}

#[test]
fn eval_in_eval_is_refused() {
    let text = format!(
        "{HEAD}[policy_definition]\np = sub, obj, c, eft\n[matchers]\nm = eval(p.c)\n[policy]\np, a, /b, eval(p.c), allow\n"
    );
    assert!(taken(text).diagnostics.iter().any(|found| found.code == "E0401"));
}

#[test]
fn alternatives_that_multiply_are_limited() {
    let any = "(r.obj == p.obj || r.act == p.act || r.sub == p.sub || r.obj == \"/z\")";
    let text = format!(
        "{HEAD}[policy_definition]\np = sub, obj, act, eft\n[matchers]\nm = {}\n[policy]\np, /a, /b, read, allow\n",
        [any; 30].join(" && ")
    );
    let outcome = taken(text);
    assert!(outcome.is_sound() || outcome.hit_limit(), "{:?}", outcome.diagnostics);
}

#[test]
fn a_cycle_of_roles_is_shown() {
    let text = format!(
        "{HEAD}[policy_definition]\np = sub, obj, act, eft\n[matchers]\nm = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act\n\
         [policy]\np, r1, /b, read, allow\ng, r1, r2\ng, r2, r3\ng, r3, r1\n"
    );
    assert!(taken(text).diagnostics.iter().any(|found| found.code == "E0330"));
}

#[test]
fn expressions_that_explode_are_limited_and_say_by_which_flag() {
    for expression in [
        "(a{1000}){1000}",
        "^(a{1,100}){1,100}$",
        "(.*a){9}.{30}",
        "(a|b)*a(a|b){24}",
        "((((a{10}){10}){10}){10}){10}",
        ".{1000}x.{1000}",
    ] {
        let text = format!(
            "{HEAD}[policy_definition]\np = obj, eft\n[matchers]\nm = regexMatch(r.obj, p.obj)\n[policy]\np, \"{expression}\", allow\n"
        );
        let outcome = taken(text);
        assert!(outcome.hit_limit(), "{expression}: {:?}", outcome.diagnostics);
        let help = outcome.diagnostics.iter().any(|found| format!("{found:?}").contains("--max-"));
        assert!(help, "{expression}: {:?}", outcome.diagnostics);
    }
}

/// A policy of `rules`, whose objects are matched by `function`.
fn matched_by(function: &str, objects: &[String]) -> Outcome {
    let rules: String = objects.iter().map(|object| format!("p, \"{object}\", allow\n")).collect();
    taken(format!(
        "{HEAD}[policy_definition]\np = obj, eft\n[matchers]\nm = {function}(r.obj, p.obj)\n[policy]\n{rules}"
    ))
}

/// Patterns that keep their places beside each other end at a limit, which names rules that multiply and its flag.
#[test]
fn patterns_that_multiply_are_named() {
    let stars =
        |count: u8| (0..count).map(|at| format!("/**/{}*", char::from(b'a' + at % 26))).collect::<String>();
    let pairs = |count: usize| (0..count).map(|at| format!("/**/a{at}*/**/b{at}*/**")).collect::<Vec<_>>();
    let suffixes =
        |count: usize| (0..count).map(|at| format!("/**/*x{}*y", "?".repeat(at))).collect::<Vec<_>>();
    for (function, objects) in [
        ("pathMatch", pairs(40)),
        ("pathMatch", suffixes(14)),
        ("pathMatch", vec![format!("{}/**", stars(24)), "/**/*a????????????????????".to_owned()]),
        ("regexMatch", vec!["(a{1,100}){1,100}x(a|b){30}".to_owned(), ".*a.{25}".to_owned()]),
    ] {
        let outcome = matched_by(function, &objects);
        let found = outcome.diagnostics.iter().find(|found| found.is_limit());
        let found = found.unwrap_or_else(|| panic!("{objects:?}: {:?}", outcome.diagnostics.first()));
        assert!(outcome.tree.bytes(found.span()).starts_with(b"p, "), "{objects:?} are not named: {found:?}");
        assert!(format!("{found:?}").contains("--max-"), "no flag: {found:?}");
    }
}

/// What looks like an explosion and is none is compiled.
#[test]
fn patterns_that_only_look_so_are_compiled() {
    let braces = format!("/srv/{}", "{a,b}{c,d}".repeat(5));
    let many = format!("/{}x", "**/".repeat(60));
    let suffixes = (0..300).map(|at| format!("/**/*.suffix{at}")).collect::<Vec<_>>();
    let far = "/**/a*/**/b*/**/c*/**/d*/**/e*/**".to_owned();
    for objects in [vec![braces], vec![many], suffixes, vec![far]] {
        let outcome = matched_by("pathMatch", &objects);
        assert!(
            outcome.is_sound() && outcome.packed.is_some(),
            "{:?}: {:?}",
            objects[0],
            outcome.diagnostics
        );
    }
}

#[test]
fn braces_that_multiply_are_refused() {
    let outcome = matched_by("pathMatch", &[format!("/srv/{}", "{a,b}{c,d}".repeat(8))]);
    let found = outcome.diagnostics.iter().find(|found| found.code == "E0510").expect("a refusal");
    assert!(found.message.contains("65536 patterns, the limit is 1024"), "{found:?}");
    assert!(found.is_limit(), "{found:?}");
    assert!(outcome.tree.bytes(found.span()).starts_with(b"\"/srv/"), "{found:?}");
}
