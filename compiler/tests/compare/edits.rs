//! Edits of one character, and pairs of random policies.

use proptest::prelude::{ProptestConfig, Strategy as _, prop_assert};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::policy::policy;
use super::universe::{Judged, checked, compared, compiled, requests};

/// `text` with one character replaced, inserted or left out.
fn edited(text: &str, from: usize, number: u32) -> String {
    const OTHERS: &[u8] = b"ab/*.?019{}x\"#,-r";
    let at = from + (number as usize * 7919) % (text.len() - from);
    let other = char::from(OTHERS[number as usize % OTHERS.len()]);
    let (before, after) = text.split_at(at);
    let rest = &after[1..];
    match number % 3 {
        0 => format!("{before}{other}{rest}"),
        1 => format!("{before}{other}{after}"),
        _ => format!("{before}{rest}"),
    }
}

#[test]
fn a_hundred_edits_of_one_character_are_found_or_proved_to_change_nothing() {
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let universe = requests();
    let (mut equal, mut found, mut number) = (0, 0, 0u32);
    while found < 100 {
        let text = policy().new_tree(&mut runner).unwrap().current();
        let whole = text.whole();
        let Some(old) = compiled(&whole) else { continue };
        let old = Judged::new(old, &universe);
        for _ in 0..12 {
            number += 1;
            let Some(new) = compiled(&edited(&whole, text.head.len() + 9, number)) else { continue };
            let comparison = compared(&old, &Judged::new(new, &universe), &universe);
            if comparison.is_equal() {
                equal += 1;
            } else {
                found += 1;
                assert!(comparison.changes.iter().all(|change| !change.parts.is_empty()));
            }
        }
    }
    assert!(equal >= 10, "edits that change nothing belong to it too");
}

proptest::proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_policies_differ_where_the_reference_says_so(one in policy(), other in policy()) {
        let universe = requests();
        if let (Some(one), Some(other)) = (compiled(&one.whole()), compiled(&other.whole())) {
            checked(&one, &other, &universe);
        }
    }

    #[test]
    fn a_policy_with_one_rule_more_or_less_or_elsewhere(text in policy(), at in 0usize..6) {
        let universe = requests();
        let Some(old) = compiled(&text.whole()) else { return Ok(()) };
        let mut shorter = text.clone();
        let rule = shorter.rules.remove(at % text.rules.len());
        if let Some(new) = compiled(&shorter.whole()) {
            checked(&old, &new, &universe);
        }
        shorter.rules.push(rule);
        let moved = compiled(&shorter.whole()).unwrap();
        let comparison = checked(&old, &moved, &universe);
        let by_order = text.head.contains("priority");
        prop_assert!(by_order || comparison.is_equal(), "{}", comparison.human());
    }
}
