//! The reference's index against the plain scan.

use boesfs_abi::op::Op;
use boesfs_abi::request::Request;
use boesfs_compiler::reference::{Index, Reference};
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
