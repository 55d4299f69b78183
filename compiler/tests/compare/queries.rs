//! Queries, checked request by request.

use boesfs_abi::verdict::Verdict;
use boesfs_compiler::compare::{Limits, Part, Query, query};
use proptest::prelude::{ProptestConfig, prop_assert};

use super::policy::policy;
use super::universe::{Membership, Oracle, compiled, ops, requests, side};

proptest::proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn answers_hold_what_the_reference_allows_and_nothing_else(text in policy()) {
        let Some(outcome) = compiled(&text.whole()) else { return Ok(()) };
        let limits = Limits { findings: usize::MAX, parts: usize::MAX, ..Limits::default() };
        let asked = Query { ops: ops(), verdict: Some(Verdict::Allow), ..Query::default() };
        let answers = query(&side(&outcome, "policy"), &asked, limits).unwrap();
        let oracle = Oracle::new(&outcome);
        let parts: Vec<&Part> = answers.answers.iter().flat_map(|answer| &answer.parts).collect();
        for part in &parts {
            prop_assert!(oracle.verdict(&part.witness) == Verdict::Allow, "{}", answers.human());
        }
        let membership = Membership::new(&[&outcome]);
        for request in requests() {
            let mut within = parts.iter().filter(|part| membership.holds(part, &request));
            if oracle.verdict(&request) == Verdict::Allow {
                prop_assert!(within.next().is_some(), "{request:?}\n{}", answers.human());
            } else {
                let sure = |part: &&&Part| part.paths.exact && part.conditions.is_empty();
                prop_assert!(within.find(sure).is_none(), "{request:?}\n{}", answers.human());
            }
        }
    }
}
