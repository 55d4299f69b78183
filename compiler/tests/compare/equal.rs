//! Policies that are written differently and mean the same.

use boesfs_compiler::compare::{Limits, compare};

use super::universe::{checked, compiled, requests, side};

fn casbin(effect: &str, matcher: &str, rules: &str) -> String {
    format!(
        "[request_definition]\nr = sub, obj, act, args\n[policy_definition]\np = sub, obj, act, args, eft\n\
         [role_definition]\ng = _, _\n[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n[policy]\n{rules}\n"
    )
}

const BOTH: &str = "some(where (p.eft == allow)) && !some(where (p.eft == deny))";
const MATCHER: &str = "g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args";

/// Asserts that all of `rules` mean the same.
fn all_equal(variants: &[&str]) {
    let universe = requests();
    let first = compiled(&casbin(BOTH, MATCHER, variants[0])).expect("a policy");
    for variant in &variants[1..] {
        let other = compiled(&casbin(BOTH, MATCHER, variant)).expect("a policy");
        let comparison = checked(&first, &other, &universe);
        assert!(comparison.is_equal(), "{variant}\n{}", comparison.human());
    }
}

#[test]
fn order_does_not_matter_where_the_effect_does_not_ask_for_it() {
    all_equal(&[
        "p, a, /a/**, read, *, allow\np, b, /a/b, write, *, allow\np, a, /a/b, *, *, deny",
        "p, a, /a/b, *, *, deny\np, a, /a/**, read, *, allow\np, b, /a/b, write, *, allow",
    ]);
}

#[test]
fn redundant_rules_change_nothing() {
    all_equal(&[
        "p, a, /a/**, read, *, allow",
        "p, a, /a/**, read, *, allow\np, a, /a/b, read, \"(5, *)\", allow\np, b, /b, *, *, deny",
    ]);
}

#[test]
fn split_patterns_are_their_union() {
    all_equal(&[
        "p, a, \"/{a,b}/**\", read, *, allow",
        "p, a, /a/**, read, *, allow\np, a, /b/**, read, *, allow",
        "p, a, /[ab]/**, read, *, allow",
        "p, a, /a/*, read, *, allow\np, a, /a/*/**, read, *, allow\np, a, /b/**, read, *, allow",
    ]);
}

#[test]
fn split_tuples_are_their_union() {
    all_equal(&[
        "p, a, /a, read, \"(0..10, *)\", allow",
        "p, a, /a, read, \"(0..4, *)\", allow\np, a, /a, read, \"(5..10, *)\", allow",
        "p, a, /a, read, *, allow\np, a, /a, read, \"(>10, *)\", deny",
        "p, a, /a, read, \"(0..10, &1)\", allow\np, a, /a, read, \"(0..10, *)\", allow",
    ]);
    all_equal(&[
        "p, a, /a, rename, \"(/a/**)\", allow",
        "p, a, /a, rename, \"(/a/*)\", allow\np, a, /a, rename, \"(/a/*/**)\", allow",
    ]);
}

#[test]
fn roles_unrolled_are_their_members() {
    all_equal(&[
        "p, role, /a, read, *, allow\ng, /bin/a, role\ng, b, role",
        "p, /bin/a, /a, read, *, allow\np, b, /a, read, *, allow",
        "p, role, /a, read, *, allow\ng, below, role\ng, /bin/a, below\ng, b, below",
    ]);
}

#[test]
fn shapes_may_differ_and_that_is_said() {
    let old = "[request_definition]\nr = sub, obj, act, args\n[policy_definition]\np = sub, obj, act, args\n\
               [policy_effect]\ne = !some(where (p.eft == deny))\n[matchers]\nm = r.sub == p.sub && r.obj == p.obj \
               && r.act == p.act && r.args == p.args\n[policy]\np, a, /a, read, *, file, deny\n";
    let new = casbin("!some(where (p.eft == deny))", MATCHER, "p, a, /a, read, *, deny");
    let (old, new) = (compiled(old).unwrap(), compiled(&new).unwrap());
    let comparison = checked(&old, &new, &requests());
    assert_eq!(comparison.change_count, 0, "{}", comparison.human());
    let names: Vec<&str> = comparison.options.iter().map(|option| option.name).collect();
    assert_eq!(names, ["subject", "shape"]);
}

#[test]
fn attribution_is_compared_only_if_asked_for() {
    let text = |note: &str| casbin(BOTH, MATCHER, &format!("{note}\np, a, /a, read, *, deny"));
    let plain = compiled(&text("")).unwrap();
    for note in ["#@ id=keys", "#@ errno=EPERM", "#@ level=alert", "#@ audit=never"] {
        let noted = compiled(&text(note)).unwrap();
        let (one, other) = (side(&plain, "one"), side(&noted, "other"));
        assert!(compare(&one, &other, false, Limits::default()).unwrap().is_equal(), "{note}");
        let comparison = compare(&one, &other, true, Limits::default()).unwrap();
        assert_eq!(comparison.change_count, 1, "{note}\n{}", comparison.human());
    }
    let again = compiled(&text("# a comment moves the line")).unwrap();
    let (one, other) = (side(&plain, "one"), side(&again, "other"));
    assert!(compare(&one, &other, true, Limits::default()).unwrap().is_equal());
}

#[test]
fn one_edited_line_is_one_change() {
    let rules = |edit: &str| {
        let mut rules: Vec<String> =
            (0..200).map(|number| format!("p, a, /srv/d{number}/**, read write, *, allow")).collect();
        rules[77] = edit.to_owned();
        rules.join("\n")
    };
    let old = compiled(&casbin(BOTH, MATCHER, &rules("p, a, /srv/x/**, read, *, allow"))).unwrap();
    for edit in [
        "p, a, /srv/y/**, read, *, allow",
        "p, b, /srv/x/**, write, *, allow",
        "p, a, /srv/**, read, *, deny",
    ] {
        let new = compiled(&casbin(BOTH, MATCHER, &rules(edit))).unwrap();
        let comparison = compare(&side(&old, "old"), &side(&new, "new"), false, Limits::default()).unwrap();
        assert_eq!(comparison.change_count, 1, "{}", comparison.human());
        let change = &comparison.changes[0];
        assert_eq!(change.new_rules[0].rule().unwrap().text, edit);
        assert_eq!(change.new_rules[0].rule().unwrap().line, 89);
    }
}
