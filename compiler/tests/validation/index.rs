//! The reference's index against the plain scan.

use boesfs_abi::op::Op;
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{self, Limits, Stage};
use boesfs_compiler::reference::{Index, Reference};
use boesfs_grammar::Source;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::compile;

const MATCHERS: [(&str, bool); 7] = [
    ("r.sub == p.sub && r.obj == p.obj", false),
    ("under(r.obj, p.obj) || r.sub == \"/bin/x\" && r.obj == p.obj", false),
    ("within(r.obj, p.obj) && r.sub == p.sub", true),
    ("pathMatch(r.obj, p.obj) && r.sub == p.sub", false),
    ("keyMatch2(r.obj, p.obj) || globMatch(r.obj, p.obj)", false),
    ("regexMatch(r.obj, p.obj) && !under(r.obj, \"/a/b\")", false),
    ("r.obj in (\"/a\", \"/b/a\") && r.sub != p.sub", false),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_index_leaves_out_no_rule_that_can_match(
        matcher in select(&MATCHERS[..]),
        lines in vec((select(&["/bin/x", "/bin/y"][..]), "(/[ab*]{1,2}){1,3}", any::<bool>()), 0..6),
        paths in vec("(/[ab]{1,2}){1,3}", 1..20),
        nearest in any::<bool>(),
    ) {
        let (matcher, makes_entries) = matcher;
        let literal = matcher.contains("r.obj == p.obj") || matcher.contains("within");
        let rules: String = lines
            .iter()
            .map(|(sub, obj, deny)| {
                let obj = if literal || matcher.contains("under(r.obj, p.obj)") { obj.replace('*', "a") } else { obj.clone() };
                // A repetition of nothing is no regular expression.
                let obj = if matcher.contains("regexMatch") { obj.replace("/*", "/b*") } else { obj };
                format!("p, {sub}, {obj}, {}\n", if *deny { "deny" } else { "allow" })
            })
            .collect();
        let effect = "some(where (p.eft == allow)) && !some(where (p.eft == deny))";
        let effect = if nearest && makes_entries { format!("nearest({effect})") } else { effect.to_owned() };
        let policy = compile(&format!(
            "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, eft\n\
             [policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n[policy]\n{rules}"
        ));
        let reference = Reference::new(&policy.model);
        let index = Index::new(&policy.model);
        for path in &paths {
            let request = Request::new(b"/bin/x", path.as_bytes(), Op::Read).expect("canonical");
            let by_index = reference.decide_by(&request, index.rules_at(path.as_bytes()));
            prop_assert_eq!(by_index, reference.decide(&request), "{} under {}\n{}", path, matcher, rules);
        }
    }
}

/// Pieces of patterns, so chosen that their wildcards, braces and classes meet the paths of [`NAMES`].
const PIECES: [&str; 16] =
    ["/", "/", "a", "b", "ab", "a-b", ".", "*", "**", "/**", "/**/", "?", "[ab]", "[!a]", "{a,b/a}", "\\a"];
const NAMES: [&str; 9] = ["a", "b", "ab", "ba", "a-b", ".a", "aa", "abab", "b.a"];
const FUNCTIONS: [&str; 7] =
    ["pathMatch", "globMatch", "keyMatch", "keyMatch2", "regexMatch", "under", "within"];

fn policy_of(function: &str, patterns: &[String]) -> String {
    let rules = patterns.iter().map(|pattern| format!("p, \"/{pattern}\", read, allow\n"));
    format!(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = obj, act, eft\n[policy_effect]\n\
         e = some(where (p.eft == allow))\n[matchers]\nm = {function}(r.obj, p.obj) && r.act == p.act\n[policy]\n{}",
        rules.collect::<String>()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_rule_that_matches_is_left_out(
        function in select(&FUNCTIONS[..]),
        patterns in vec(
            vec(select(&PIECES[..]), 1..6).prop_map(|pieces| pieces.concat()),
            1..8,
        ),
        paths in vec(vec(select(&NAMES[..]), 0..4), 12),
    ) {
        let sources = vec![Source::new("policy", policy_of(function, &patterns))];
        let outcome = pipeline::run(sources, &Settings::default(), &Limits::default(), Stage::Model);
        // What is no pattern is refused before an index is made of it.
        let Some(model) = &outcome.model else { return Ok(()) };
        let (index, reference) = (Index::new(model), Reference::new(model));
        for path in paths {
            let path = format!("/{}", path.join("/"));
            let request = Request::new(b"/bin/x", path.as_bytes(), Op::Read).expect("a request");
            let found = index.rules_at(path.as_bytes());
            for (rule, pattern) in patterns.iter().enumerate() {
                let matches = reference.decide_by(&request, [rule]).verdict == Verdict::Allow;
                prop_assert!(
                    !matches || found.contains(&rule),
                    "`{pattern}` of {function} matches `{path}`, at which the index has {found:?}"
                );
            }
        }
    }
}

/// Patterns that differ in what they say of the last name are told apart by it, so that thousands of them are not all asked
/// about every path.
#[test]
fn patterns_are_found_by_the_last_name() {
    for pattern in ["/srv/**/name{n}", "/srv/**/{n}name*", "/srv/**/*.{n}"] {
        let patterns: Vec<String> =
            (100..600).map(|n: u32| pattern[1..].replace("{n}", &n.to_string())).collect();
        let sources = vec![Source::new("policy", policy_of("pathMatch", &patterns))];
        let outcome = pipeline::run(sources, &Settings::default(), &Limits::default(), Stage::Model);
        let model = outcome.model.expect("a model");
        let index = Index::new(&model);
        let path = pattern.replace("**", "a/b").replace("{n}", "234").replace('*', "x");
        assert_eq!(index.rules_at(path.as_bytes()), [134], "{path}");
        assert_eq!(index.rules_at(b"/srv/other"), [0_usize; 0], "{pattern}");
    }
}
