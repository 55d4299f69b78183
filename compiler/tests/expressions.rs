//! `regexMatch` over bytes: the automaton decides as a published engine does on the decoded text, where each byte that
//! is no part of a well-formed UTF-8 sequence is one character, U+FFFD.

use boesfs_abi::op::Op;
use boesfs_abi::request::{Request, is_canonical};
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::model::{Compat, Settings};
use boesfs_compiler::pipeline::{Limits, Stage, run};
use boesfs_compiler::reference::Reference;
use boesfs_grammar::Source;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Parts of expressions, among them such as take a byte that is no character and such as do not.
const PARTS: [&str; 24] = [
    "a",
    "é",
    "€",
    "😀",
    ".",
    ".*",
    ".+",
    ".{2}",
    ".{1,3}",
    "[^a]",
    "[^a]*",
    "[^é]",
    "[^/]+",
    "[a-é]",
    "\\x{FFFD}",
    "[€-😀]",
    "\\D",
    "\\W{2,}",
    "\\S?",
    "/",
    "(?:a|.€)",
    "(?s:.)",
    "\\PL",
    "(?i:É)",
];

/// Parts of texts, most of them pieces of characters.
const PIECES: [&[u8]; 22] = [
    b"a",
    b"/",
    "é".as_bytes(),
    "€".as_bytes(),
    "😀".as_bytes(),
    b"\xC3",
    b"\xA9",
    b"\xE2",
    b"\x82",
    b"\xAC",
    b"\xE2\x82",
    b"\xF0",
    b"\x9F",
    b"\xF0\x9F",
    b"\xF0\x9F\x98",
    b"\x80",
    b"\xED\xA0\x80",
    b"\xE0\x80",
    b"\xFF",
    b"\xC0",
    b"\xF4\x90",
    "\u{FFFD}".as_bytes(),
];

fn decoded(text: &[u8]) -> String {
    let mut characters = String::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let length = (1..=rest.len().min(4)).find(|length| std::str::from_utf8(&rest[..*length]).is_ok());
        match length {
            Some(length) => characters.push_str(std::str::from_utf8(&rest[..length]).expect("just tried")),
            None => {
                assert!(!first.is_ascii());
                characters.push('\u{FFFD}');
            }
        }
        rest = &rest[length.unwrap_or(1)..];
    }
    characters
}

fn expression() -> impl Strategy<Value = String> {
    let alternative =
        (any::<bool>(), vec(select(&PARTS[..]), 0..5), any::<bool>()).prop_map(|(start, parts, end)| {
            format!("{}{}{}", if start { "^/" } else { "" }, parts.concat(), if end { "$" } else { "" })
        });
    vec(alternative, 1..3).prop_map(|alternatives| alternatives.join("|"))
}

fn policy(expression: &str) -> Source {
    let text = format!(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = obj\n\
         [policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = regexMatch(r.obj, p.obj)\n\
         [policy]\np, \"{expression}\"\n"
    );
    Source { name: "expression".into(), bytes: text.into_bytes() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_automaton_decides_as_an_engine_on_the_decoded_text(
        expression in expression(),
        texts in vec(vec(select(&PIECES[..]), 0..6), 40),
    ) {
        let oracle = regex::Regex::new(&expression.replace("\\D", "[^0-9]").replace("\\W", "[^0-9A-Za-z_]").replace("\\S", "[^\\t\\n\\v\\f\\r ]"));
        let oracle = oracle.expect("an expression");
        // An expression that tells many texts apart is refused, as one that explodes would be.
        let mut limits = Limits::default();
        limits.automaton.states = 1_500;
        limits.automaton.set_items = 60_000;
        let outcome = run(vec![policy(&expression)], &Settings::default(), &limits, Stage::Image);
        if outcome.hit_limit() {
            return Err(TestCaseError::reject("too many states"));
        }
        let (Some(dfa), Some(packed), Some(model)) = (&outcome.dfa, &outcome.packed, &outcome.model) else {
            return Err(TestCaseError::fail(format!("{expression}: {:?}", outcome.diagnostics)));
        };
        let reference = Reference::new(model);
        for pieces in texts {
            let path = [b"/", pieces.concat().as_slice()].concat();
            if !is_canonical(&path) {
                continue;
            }
            let request = Request::new(b"/bin/sh", &path, Op::Read).expect("a canonical path");
            let wanted = if oracle.is_match(&decoded(&path)) { Verdict::Allow } else { Verdict::Deny };
            let shown = format!("{expression} on {}", path.escape_ascii());
            prop_assert_eq!(reference.decide(&request).verdict, wanted, "reference: {}", shown);
            prop_assert_eq!(dfa.decide(&request).map(|decision| decision.verdict), Some(wanted), "dfa: {}", shown);
            prop_assert_eq!(packed.image.decide_request(&request).verdict, wanted, "image: {}", shown);
        }
    }
}

#[test]
fn a_search_for_one_of_many_characters_is_small() {
    let mut limits = Limits::default();
    limits.automaton.states = 10_000;
    limits.automaton.set_items = 100_000;
    for (expression, compat) in
        [("\\p{Greek}", None), ("\\d", Some(Compat::CasbinRs)), ("\\w", Some(Compat::CasbinRs))]
    {
        let settings = Settings { compat, ..Settings::default() };
        let outcome = run(vec![policy(expression)], &settings, &limits, Stage::Dfa);
        assert!(outcome.is_sound(), "{expression}: {:?}", outcome.diagnostics);
    }
}

#[test]
fn a_part_of_a_character_is_no_character() {
    let cases: [(&str, &[u8], bool); 10] = [
        ("^/..$", "/é".as_bytes(), false),
        ("^/.$", "/é".as_bytes(), true),
        ("^/..$", b"/\xC3\xC3", true),
        ("^/..$", b"/\xE2\x82", true),
        ("^/.$", "/€".as_bytes(), true),
        ("^/...$", "/€".as_bytes(), false),
        ("\\x{FFFD}", "/é".as_bytes(), false),
        ("\\x{FFFD}", b"/a\xA9", true),
        ("^/.{3}$", b"/\xED\xA0\x80", true),
        ("^/[^a]+$", b"/\xFF\xC3\xA9", true),
    ];
    for (expression, path, wanted) in cases {
        let outcome = run(vec![policy(expression)], &Settings::default(), &Limits::default(), Stage::Dfa);
        let request = Request::new(b"/bin/sh", path, Op::Read).expect("a canonical path");
        let decision = outcome.dfa.expect("it compiles").decide(&request).expect("decided");
        assert_eq!(decision.verdict == Verdict::Allow, wanted, "{expression} on {}", path.escape_ascii());
    }
}
