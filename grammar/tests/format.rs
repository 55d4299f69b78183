//! The formatter: it loses nothing, changes no meaning, and is done at once.

use boesfs_grammar::{Limits, Parsed, Source, SyntaxTree, format, parse};
use proptest::prelude::*;

fn formatted(text: &[u8]) -> Option<Vec<u8>> {
    format(&Source::new("policy", text), &Limits::default()).ok()
}

/// What a source says, without places: sections, definitions, fields, annotations.
fn said(text: &[u8]) -> Vec<String> {
    let mut sources = vec![Source::new("policy", text)];
    let whole = text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b"["));
    if !whole {
        sources.push(Source::new("model", ""));
    }
    let Parsed { tree, .. } = parse(sources, &Limits::default());
    let mut said: Vec<String> = tree.sections.iter().map(|section| format!("{:?}", section.kind)).collect();
    said.extend(tree.definitions.iter().map(|definition| {
        let value = format!("{:?}", definition.value);
        format!("{:?} {} {}", definition.section, definition.key.text, without_spans(&value))
    }));
    for line in &tree.lines {
        let fields: Vec<_> = tree.cells(line).iter().map(|cell| tree.text(*cell).into_owned()).collect();
        let notes: Vec<_> =
            tree.annotations(line).iter().map(|note| (&note.key.text, &note.value.text)).collect();
        said.push(format!("{fields:?} {notes:?}"));
    }
    said
}

fn without_spans(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// The comments of a source that has been formatted or not, without blanks around them. Of a policy without ` #` in
/// quotes.
fn comments(text: &[u8]) -> Vec<String> {
    let starts = |line: &str, at: usize| at == 0 || matches!(line.as_bytes()[at - 1], b' ' | b'\t');
    let hash = |line: &str| line.match_indices('#').map(|(at, _)| at).find(|at| starts(line, *at));
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| hash(line).map(|hash| line[hash..].trim().to_owned()))
        .filter(|comment| !comment.starts_with("#@"))
        .collect()
}

const POLICY: &str = "\u{feff}# a policy\r
[request_definition]   # what is asked
r=sub,obj ,  act\r\r\r
[policy_definition]
p =sub, obj,act,eft


[role_definition]
g=_,_
a = _, _;_,_
[policy_effect]
e=some(where(p.eft==allow))&&!some ( where (p.eft == deny) )
# how
[matchers]
m = g( r.sub,p.sub )&& \\   # roles
  (pathMatch(r.obj,p.obj)||r.obj in('/a b',\"/c,d\"))   \\
   &&! ( r.act!=p.act )  # and the rest
[policy]

#@   id=x   reason=\"a  b\"
p,\"/bin/sh\", \"/a,b\" ,  read write,allow   # why
# the end
g , \"alice smith\",admin
";

const PRETTY: &str = "# a policy
[request_definition] # what is asked
r = sub, obj, act

[policy_definition]
p = sub, obj, act, eft

[role_definition]
g = _, _
a = _, _; _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
# how
[matchers]
# roles
# and the rest
m = g(r.sub, p.sub) && (pathMatch(r.obj, p.obj) || r.obj in ('/a b', \"/c,d\")) && !(r.act != p.act)

[policy]

#@ id=x reason=\"a  b\"
p, /bin/sh, \"/a,b\", read write, allow # why
# the end
g, \"alice smith\", admin
";

#[test]
fn everything_has_one_form() {
    let text = formatted(POLICY.as_bytes()).expect("a policy");
    assert_eq!(String::from_utf8_lossy(&text), PRETTY);
    assert_eq!(said(&text), said(POLICY.as_bytes()));
}

#[test]
fn a_field_that_begins_like_a_comment_is_quoted() {
    let text = formatted(b"[policy]\np,#a \"b,c#\n").expect("rules");
    assert_eq!(String::from_utf8_lossy(&text), "[policy]\np, \"#a \"\"b\", c#\n");
}

#[test]
fn what_means_nothing_does_not_turn_into_something_else() {
    let text = b"[policy_effect]\ne=a\t= = b=c\n[options]\ndefault=#x\n";
    let formatted = formatted(text).expect("a policy");
    let expected = "[policy_effect]\ne = a = = b = c\n\n[options]\ndefault =#x\n";
    assert_eq!(String::from_utf8_lossy(&formatted), expected);
    assert_eq!(said(&formatted), said(text));
}

#[test]
fn comments_are_text_as_well() {
    for byte in ["\0", "\u{ff}"] {
        for text in [
            "[matchers] # _",
            "[policy]\np, a\n[options] # _",
            "# _",
            "p, a # _",
            "[matchers]\nm = r.a == p.a \\ # _\n && r.b == p.b",
            "[matchers]\nm = r.a == p.a \\\n && r.b == p.b # _\n",
        ] {
            let text: Vec<u8> =
                text.replace('_', byte).chars().map(|c| u8::try_from(c).expect("a byte")).collect();
            assert_eq!(formatted(&text), None, "{}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn a_comment_does_not_turn_into_an_annotation() {
    let text = formatted(b"[matchers]\nm = r.a == p.a \\ #@ id=a\n && r.b == p.b # b\n").expect("a matcher");
    let expected = "[matchers]\n# @ id=a\n# b\nm = r.a == p.a && r.b == p.b\n";
    assert_eq!(String::from_utf8_lossy(&text), expected);
}

#[test]
fn a_mark_that_is_part_of_a_value_does_not_go_on_with_the_next_line() {
    for (text, expected) in [
        ("e = && \\ \\", "e = && \\ \\\n\n"),
        ("e = a \\ \\ # b\n\n\nd = c", "# b\ne = a\\ \\\n\n\nd = c\n"),
        ("e = a \\\\ # b\n # c\nd = c", "# b\n# c\ne = a\\ \\\n\nd = c\n"),
        ("e = \\ \\", "e = \\ \\\n\n"),
        ("e = a \\\n \\ \\\n b", "e = a\\b\n"),
    ] {
        let text = format!("[policy_effect]\n{text}");
        let once = formatted(text.as_bytes()).expect("an effect");
        assert_eq!(String::from_utf8_lossy(&once), format!("[policy_effect]\n{expected}"));
        assert_eq!(said(&once), said(text.as_bytes()));
        assert_eq!(formatted(&once).as_deref(), Some(once.as_slice()));
    }
}

#[test]
fn a_wide_matcher_is_broken_at_its_outermost_operator() {
    let term = "(r.sub == p.sub && r.obj == p.obj && r.act == p.act)";
    let text = format!("[matchers]\nm = {term} || {term} || {term}\n");
    let formatted = formatted(text.as_bytes()).expect("a matcher");
    let expected = format!("[matchers]\nm = {term} \\\n    || {term} \\\n    || {term}\n");
    assert_eq!(String::from_utf8_lossy(&formatted), expected);
    assert_eq!(said(&formatted), said(text.as_bytes()));
}

#[test]
fn what_is_not_understood_is_left_alone() {
    for text in [
        "[matcher]\n",
        "[policy]\np, \"a\n",
        "[matchers]\nm = (\n",
        "x\n[policy]\n",
        "[policy]\n#@ id=a\n",
        "[policy_effect]\ne =#a",
    ] {
        assert_eq!(formatted(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn rules_alone_and_bytes_that_are_not_text() {
    let text = formatted(b"p,\"/a\xff\" ,b #z\n\n\n\ng,a,b").expect("rules");
    assert_eq!(text, b"p, \"/a\xff\", b #z\n\ng, a, b\n");
    let text = formatted("\u{feff} \u{feff}p,a".as_bytes()).expect("rules");
    assert_eq!(text, " \u{feff}p, a\n".as_bytes());
    assert_eq!(formatted(&text).as_deref(), Some(text.as_slice()));
}

fn policy() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        3 => "[pg](,[ \t]{0,2}(/[a-z*]{0,3}|#[a-z\"]{0,2}|\"[a-z ,]{0,4}(\"\")?\"|[a-z ]{0,4}|\\([0-9, *]{0,5}\\))[ \t]{0,2}){0,4}( # ?[a-z]{0,3})?",
        1 => "[ \t]{0,3}# ?[a-z]{0,5}",
        1 => "#@ {0,2}(id|level)=[a-z]{1,3}( reason=\"[a-z ]{0,4}\")?\r?\np,a",
        1 => "[ \t\r]{0,3}",
        1 => "\\[(policy|matchers|options|policy_effect|request_definition)\\]( # [a-z]{0,3})?\r?",
        1 => "m[0-9]? ?= ?!{0,2}\\(?r\\.(sub|obj) ?(==|!=|in|<) ?(p\\.x|\\('a', ?\"b\"\\)|-?[0-9]{1,2})\\)?( ?(&&|\\|\\|) ?\\\\?( # [a-z]{0,2})?\n? ?f\\(r\\.a ,b\\)){0,3}",
        1 => "e ?= ?(nearest \\()?some ?\\(where ?\\(p\\.eft ?== ?allow\\)\\)\\)?",
        1 => "[ed] ?=( ?[a&=#\\\\ ]){0,5}( # [a-z]{0,2})?",
        1 => "r ?= ?[a-z]{1,3}( ?, ?[a-z]{1,3}){0,2}",
    ];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

fn is_error_free(text: &str) -> bool {
    formatted(text.as_bytes()).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn formatting_is_done_at_once_and_changes_nothing(text in policy()) {
        prop_assume!(is_error_free(&text));
        let once = formatted(text.as_bytes()).expect("what is free of errors is formatted");
        prop_assert_eq!(said(&once), said(text.as_bytes()), "{}", String::from_utf8_lossy(&once));
        prop_assert_eq!(comments(&once), comments(text.as_bytes()));
        let twice = formatted(&once).expect("what is formatted is free of errors");
        prop_assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
    }
}

#[test]
fn an_empty_source_stays_empty() {
    assert_eq!(formatted(b""), Some(Vec::new()));
    assert_eq!(formatted(b"\n \r\n"), Some(Vec::new()));
    let _: SyntaxTree = parse(Vec::new(), &Limits::default()).tree;
}
