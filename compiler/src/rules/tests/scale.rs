//! Policies that are large or twisted in one way each are lowered, or refused with a number.

use std::fmt::Write as _;

use super::model;
use crate::rules::{Limits, Problem, lower};

const HEAD: &str = "[request_definition]\nr = sub, obj, act, args\n[policy_definition]\np = sub, obj, act, eft\n\
                    [role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n";

#[test]
fn many_subjects_and_roles() {
    let mut text = format!(
        "{HEAD}[matchers]\nm = g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && r.act == p.act\n[policy]\n"
    );
    for n in 0..1000 {
        let _ = writeln!(text, "p, role{}, /d{n}/*, read, allow\ng, /bin/p{n}, role{}", n % 50, n % 50);
    }
    let rules = lower(&model(None, &text).unwrap(), &Limits::default()).unwrap();
    assert_eq!(rules.subjects.class_count, 51);
    assert_eq!(rules.atoms.len(), 1000);
}

#[test]
fn a_long_chain_of_roles() {
    let mut text = HEAD.replace("some(where (p.eft == allow))", "subjectPriority(p.eft) || deny");
    text += "[matchers]\nm = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act\n[policy]\n";
    text += "p, r0, /a, read, allow\np, r5000, /a, read, deny\n";
    for n in 0..5000 {
        let _ = writeln!(text, "g, r{n}, r{}", n + 1);
    }
    let model = model(None, &text).unwrap();
    let rules = lower(&model, &Limits::default()).unwrap();
    assert_eq!(rules.order, None, "the first rule's subject stands lowest already");
    let request = boesfs_abi::request::Request::new(b"/x", b"/a", boesfs_abi::op::Op::Read).unwrap();
    assert_eq!(crate::reference::decide(&model, &request).rule, None);
}

#[test]
fn a_disjunctive_form_that_is_too_large_is_refused() {
    let either: Vec<String> = (0..16)
        .map(|n| format!("(pathMatch(r.obj, \"/*a{n}*\") || pathMatch(r.obj, \"/*b{n}*\"))"))
        .collect();
    let text = format!("{HEAD}[matchers]\nm = {}\n[policy]\np, a, /a, read, allow\n", either.join(" && "));
    let limits = Limits { rule_terms: 50, ..Limits::default() };
    let errors = lower(&model(None, &text).unwrap(), &limits).unwrap_err();
    assert!(
        matches!(errors.as_slice(), [error] if matches!(error.problem, Problem::RuleTerms { limit: 50, .. })),
        "{errors:?}"
    );
}
