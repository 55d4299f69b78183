//! No input may make the parser panic, overflow its stack or loop; spans stay within their source.

use boesfs_grammar::{Limits, Parsed, Source, parse};
use proptest::prelude::*;

const MODEL: &str = "[request_definition]\nr = sub, obj, act\n\n[policy_definition]\np = sub, obj, act\n\n\
    [policy_effect]\ne = !some(where (p.eft == deny))\n\n[matchers]\nm = ";

fn spans_are_inside(parsed: &Parsed) -> Result<(), TestCaseError> {
    let inside = |span: boesfs_grammar::Span| {
        let len = parsed.tree.sources[usize::from(span.file)].bytes.len();
        span.start <= span.end && span.end as usize <= len
    };
    for error in &parsed.errors {
        prop_assert!(inside(error.span), "{error:?}");
        prop_assert!(!error.message.ends_with('.'), "{error:?}");
    }
    for line in &parsed.tree.lines {
        prop_assert!(inside(line.span), "{line:?}");
        for cell in parsed.tree.cells(line) {
            prop_assert!(inside(cell.span), "{cell:?}");
            let _ = parsed.tree.text(*cell);
        }
    }
    for definition in &parsed.tree.definitions {
        prop_assert!(inside(definition.span), "{definition:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn bytes_do_no_harm(policy in proptest::collection::vec(any::<u8>(), 0..400)) {
        spans_are_inside(&parse(vec![Source::new("policy", policy.clone())], &Limits::default()))?;
        let sources = vec![Source::new("policy", policy.clone()), Source::new("model", policy)];
        spans_are_inside(&parse(sources, &Limits::default()))?;
    }

    #[test]
    fn policy_text_does_no_harm(
        policy in r#"(\[(policy|matchers|request_definition|options)\]|[a-z= ,."'()#@!&|\\\t-]{0,30}|\x{e9})(\r?\n([a-z= ,."'()#@!&|\\\t-]{0,30}|\x{e9}|\[policy\]|#@ id=x)){0,12}"#
    ) {
        spans_are_inside(&parse(vec![Source::new("policy", policy.clone())], &Limits::default()))?;
        let sources = vec![Source::new("policy", policy.clone()), Source::new("model", policy)];
        spans_are_inside(&parse(sources, &Limits::default()))?;
    }

    #[test]
    fn matchers_do_no_harm(matcher in r#"([rp]\.[a-z]{1,3}|[!=<>&|(),;\[\]]{1,2}|"[a-z]{0,3}"?|in|true|[0-9]{1,3}| ){0,40}"#) {
        let model = format!("{MODEL}{matcher}\n");
        let sources = vec![Source::new("policy", ""), Source::new("model", model)];
        spans_are_inside(&parse(sources, &Limits::default()))?;
    }
}

fn codes(parsed: &Parsed) -> Vec<&'static str> {
    parsed.errors.iter().map(|error| error.code).collect()
}

fn with_matcher(matcher: &str, limits: &Limits) -> Parsed {
    parse(vec![Source::new("policy", ""), Source::new("model", format!("{MODEL}{matcher}\n"))], limits)
}

#[test]
fn nesting_is_refused_before_it_recurses() {
    for (open, close) in [("(", ")"), ("f(", ")"), ("!", ""), ("!(", ")")] {
        let deep = format!("{}true{}", open.repeat(10_000), close.repeat(10_000));
        assert_eq!(codes(&with_matcher(&deep, &Limits::default())), ["E0121"], "{open}");
    }
    let deep = format!("{}true{}", format!("{}(true && ", "!".repeat(40)).repeat(40), ")".repeat(40));
    assert_eq!(codes(&with_matcher(&deep, &Limits::default())), ["E0121"]);
    let tuple = format!("p, a, /b, {}{}", "(".repeat(10_000), ")".repeat(10_000));
    let sources = vec![Source::new("policy", tuple), Source::new("model", format!("{MODEL}true"))];
    assert_eq!(codes(&parse(sources, &Limits::default())), ["E0121"]);
}

#[test]
fn nesting_at_the_highest_limit_fits_the_stack_of_a_thread() {
    let limits = Limits { nesting: Limits::MAX_NESTING, ..Limits::default() };
    for (open, close) in [("(", ")"), ("!(", ")"), ("true && f(true, true || (", "))")] {
        let depth = Limits::MAX_NESTING / open.len().clamp(1, 2);
        let depth = if open.len() > 2 { depth.min(Limits::MAX_NESTING / 2) } else { depth };
        let deep = format!("{}true{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(codes(&with_matcher(&deep, &limits)), [""; 0], "{open}");
    }
}

#[test]
fn a_header_that_is_not_utf8_is_reported_at_its_byte() {
    for before in ["", "[policy]\n"] {
        let bytes = [before.as_bytes(), b"[matchers\x80]\nm = true\n"].concat();
        let parsed = parse(vec![Source::new("policy", bytes)], &Limits::default());
        assert_eq!(codes(&parsed), ["E0108"]);
        assert_eq!(parsed.errors[0].span.start as usize, before.len() + 9);
    }
}

#[test]
fn a_long_matcher_is_parsed_in_one_go() {
    let long = vec!["r.sub == \"x\""; 5_000].join(" || ");
    assert_eq!(codes(&with_matcher(&long, &Limits::default())), [""; 0]);
}

#[test]
fn limits_are_named_when_hit() {
    let limits = Limits { bytes: 10, ..Limits::default() };
    let parsed = parse(vec![Source::new("policy", "p, a, /b, read")], &limits);
    assert_eq!(codes(&parsed), ["E0120"]);
    let limits = Limits { rules: 1, ..Limits::default() };
    let sources = vec![Source::new("policy", "p, a\np, b\n"), Source::new("model", format!("{MODEL}true"))];
    let parsed = parse(sources, &limits);
    assert_eq!(codes(&parsed), ["E0122"]);
    assert!(parsed.errors.iter().all(|e| e.help.as_deref().is_some_and(|help| help.contains("--max-"))));
}
