//! The automaton against a naive evaluator of rule sets.

mod naive;
mod random;

use std::collections::HashMap;

use boesfs_abi::verdict::Verdict;
use boesfs_compiler::automaton::{Compiled, Dfa, Input, Limits, SetId, determinize, minimise};
use boesfs_compiler::image::{dump, packed};
use proptest::prelude::*;

/// How many classes of states some input tells apart, by refining until nothing changes. The bytes stand for all
/// that random languages tell apart.
fn distinguishable(dfa: &Dfa) -> usize {
    let mut class: Vec<u32> = dfa.states().map(|state| dfa.label(state)).collect();
    let mut count = 0;
    loop {
        let mut numbers = HashMap::new();
        let refined: Vec<u32> = dfa
            .states()
            .map(|state| {
                let leads = b"\0./0abcz{\xff".map(|byte| class[dfa.next(state, byte).index()]);
                let next = numbers.len() as u32;
                *numbers.entry((class[state.index()], leads)).or_insert(next)
            })
            .collect();
        if numbers.len() == count {
            return count;
        }
        count = numbers.len();
        class = refined;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn labels_are_the_languages_an_input_lies_in(
        atoms in proptest::collection::vec(random::atom(), 0..5),
        inputs in proptest::collection::vec("[/abc]{0,7}", 1..40),
    ) {
        let labelled = determinize(&atoms, Input::Paths, &Limits::default()).expect("small");
        let minimal = minimise(&labelled.dfa);
        prop_assert_eq!(minimal.state_count(), distinguishable(&minimal));
        for input in inputs {
            let want: Vec<u32> = (0u32..)
                .zip(&atoms)
                .filter(|(_, atom)| naive::lies_in(atom, input.as_bytes()))
                .map(|(id, _)| id)
                .collect();
            let label = labelled.dfa.label(labelled.dfa.walk(input.as_bytes()));
            prop_assert_eq!(labelled.sets.get(SetId(label)), want.as_slice(), "{}", input);
            prop_assert_eq!(minimal.label(minimal.walk(input.as_bytes())), label, "{}", input);
        }
    }

    #[test]
    fn decisions_are_those_of_the_rules(
        rules in random::rule_set(),
        requests in proptest::collection::vec(random::request(), 1..12),
    ) {
        let compiled = Compiled::new(&rules, &Limits::default()).expect("small");
        let image = packed(&compiled, &rules).expect("it can be packed");
        for (request, class) in requests {
            let have = compiled.decide(&request).expect("every subject has a class");
            let want = naive::decide(&rules, &request, class);
            let in_image = image.decide_request(&request);
            prop_assert_eq!(
                (in_image.verdict, in_image.at.and_then(|at| image.rule_index(request.obj(), at)), in_image.report),
                (have.verdict, have.rule.map(|rule| rule.0), have.report),
                "{:?}\n{}", request, dump(&image)
            );
            if have.verdict == Verdict::Deny {
                prop_assert_eq!(in_image.errno, have.errno);
            }
            let have = (have.verdict, have.rule.map(|rule| rule.0), have.unknown);
            prop_assert_eq!(have, want, "{:?}\n{}", request, compiled.dump());
            if want.0 == Verdict::Deny {
                prop_assert!(compiled.may_deny().contains(request.op()));
            }
        }
    }
}
