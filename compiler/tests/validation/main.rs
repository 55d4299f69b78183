//! Translation validation accepts what the compiler makes, and finds what a broken compiler would make.

mod index;

use std::collections::HashSet;

use boesfs_abi::request::is_canonical;
use boesfs_compiler::automaton::{Canonical, Compiled, Dfa, Limits as AutomatonLimits, StateId};
use boesfs_compiler::image::packed;
use boesfs_compiler::model::{Model, Settings};
use boesfs_compiler::pipeline::{Limits, Stage, run};
use boesfs_compiler::rules::RuleSet;
use boesfs_compiler::validate::{Effort, Mismatch, Report, validate};
use boesfs_grammar::Source;

/// Policies in both shapes, with every effect, tuples, roles and patterns. Every rule of each makes a difference.
const POLICIES: [&str; 4] = [
    "[request_definition]
r = sub, obj, act, args
[policy_definition]
p = sub, obj, act, args
[role_definition]
g = _, _
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act && r.args == p.args
[policy]
g, bash, shells
p, shells, /srv, write, (*), dir, deny
p, shells, /srv, unlink, (*), dir, deny
p, shells, /srv/log, read, (*), file, deny
p, vim, /srv/log, read, (4096,0), file, deny
p, vim, /srv/in, link, (/srv/out), file, deny
",
    "[request_definition]
r = sub, obj, act, args
[policy_definition]
p = sub, obj, act, args, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = (r.sub == p.sub || p.sub == \"*\") && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args
[policy]
p, *, /**, @base, (*), allow
p, *, \"/home/*/{doc,src}/**\", read, (*), allow
p, /bin/cp, /home/a/src/**, write, (<=4096), allow
p, /bin/cp, /home/**/*.key, read, (&3), deny
p, /bin/cp, /home/**, symlink, (/home/**), allow
",
    "[request_definition]
r = sub, obj, act, uid, kind
[policy_definition]
p = sub, obj, act, eft, priority
[policy_effect]
e = priority(p.eft) || deny
[matchers]
m = r.sub == p.sub && within(r.obj, p.obj) && r.act == p.act && (r.uid < 1000 || r.kind == \"dir\")
[policy]
p, /bin/a, /x, *, allow, 10
p, /bin/a, /x/y, write, deny, 5
p, /bin/b, /, @base, allow, 1
",
    "[request_definition]
r = sub, obj, act
[policy_definition]
p = obj, act, eft
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = regexMatch(r.obj, p.obj) && r.act == p.act
[policy]
p, ^/(a|b)+/c$, read, allow
p, z, lookup, allow
p, ^/$, iterate, allow
",
];

struct Policy {
    model: Model,
    rules: RuleSet,
    dfa: Compiled,
}

/// Compiles one file.
fn compile(text: &str) -> Policy {
    let source = Source::new("policy.conf", text.as_bytes());
    let outcome = run(vec![source], &Settings::default(), &Limits::default(), Stage::Dfa);
    let parts = outcome.model.zip(outcome.rules).zip(outcome.dfa);
    let ((model, rules), dfa) = parts.unwrap_or_else(|| panic!("{:#?}", outcome.diagnostics));
    Policy { model, rules, dfa }
}

fn check(model: &Model, rules: &RuleSet, dfa: &Compiled) -> Result<Report, Box<Mismatch>> {
    validate(&packed(dfa, rules).expect("it can be packed"), model, &dfa.languages, Effort::ALL)
}

#[test]
fn what_the_compiler_makes_is_accepted() {
    for text in POLICIES {
        let Policy { model, rules, dfa } = compile(text);
        let report = check(&model, &rules, &dfa).unwrap_or_else(|mismatch| panic!("{mismatch}\n{text}"));
        assert!(report.complete && report.questions > 0, "{report:?}");
        assert_eq!(report.places, report.places_asked);
    }
}

/// Patterns that might all match anywhere are looked at in every place, within a bound; beyond it a sample is asked about, and
/// the report says so.
#[test]
fn patterns_that_might_all_match_anywhere_are_sampled_beyond_a_bound() {
    let rules: String = (0..40).map(|n| format!("p, \"^/srv/.*x{n}y$\", read\n")).collect();
    let Policy { model, rules, dfa } = compile(&format!(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = obj, act\n[policy_effect]\n\
         e = some(where (p.eft == allow))\n[matchers]\nm = regexMatch(r.obj, p.obj) && r.act == p.act\n[policy]\n{rules}"
    ));
    let image = packed(&dfa, &rules).expect("it can be packed");
    let complete = |looks| {
        let effort = Effort { looks, ..Effort::default() };
        let report = validate(&image, &model, &dfa.languages, effort).expect("they agree");
        assert!(report.questions > 0, "{report:?}");
        report.complete
    };
    assert!(complete(Effort::default().looks));
    assert!(!complete(40));
}

#[test]
fn the_same_policy_makes_the_same_bytes() {
    for text in POLICIES {
        let bytes = || {
            let Policy { rules, dfa, .. } = compile(text);
            boesfs_compiler::image::pack(&dfa, &rules).expect("it can be packed")
        };
        assert_eq!(bytes(), bytes());
    }
}

#[test]
fn a_dropped_rule_is_found() {
    for text in POLICIES {
        let Policy { model, rules, .. } = compile(text);
        for dropped in 0..rules.rules.len() {
            let mut broken = rules.clone();
            broken.rules[dropped].terms.clear();
            let dfa = Compiled::new(&broken, &AutomatonLimits::default()).expect("small");
            let mismatch = check(&model, &rules, &dfa).expect_err(&rules.rules[dropped].text);
            assert!(is_canonical(mismatch.request.obj()));
            assert_ne!(mismatch.rules, mismatch.image);
        }
    }
}

#[test]
fn two_swapped_rows_are_found() {
    for text in POLICIES {
        let Policy { model, rules, dfa } = compile(text);
        for row in 1..dfa.rows.len() as u32 {
            let mut broken = dfa.clone();
            broken.rows = broken.rows.with_swapped(row - 1, row);
            assert!(check(&model, &rules, &broken).is_err(), "rows {} and {row}\n{text}", row - 1);
        }
    }
}

#[test]
fn a_flipped_transition_is_found() {
    for text in POLICIES {
        let Policy { model, rules, dfa } = compile(text);
        let mut found = 0;
        for edge in (0..dfa.paths.edge_count()).step_by(3) {
            for to in dfa.paths.states().step_by(5) {
                let paths = dfa.paths.with_edge_redirected(edge, to);
                if same_on_paths(&dfa.paths, &paths) {
                    continue;
                }
                let broken = Compiled { paths, ..dfa.clone() };
                let mismatch = check(&model, &rules, &broken).expect_err("some path has another row");
                assert_ne!(mismatch.rules, mismatch.image);
                found += 1;
            }
        }
        assert!(found > 0);
    }
}

/// Whether both automata give every canonical path the same label.
fn same_on_paths(a: &Dfa, b: &Dfa) -> bool {
    let mut seen: HashSet<(StateId, StateId, Canonical)> = HashSet::new();
    let mut todo = vec![(a.start(), b.start(), Canonical::Start)];
    while let Some((in_a, in_b, place)) = todo.pop() {
        if place == Canonical::Dead || !seen.insert((in_a, in_b, place)) {
            continue;
        }
        if place.is_path() && a.label(in_a) != b.label(in_b) {
            return false;
        }
        todo.extend((1..=u8::MAX).map(|byte| (a.next(in_a, byte), b.next(in_b, byte), place.step(byte))));
    }
    true
}
