//! Patterns as they are lowered, against the reference's own reading of them.

use proptest::prelude::*;
use proptest::sample::select;

use super::atom::{self, PathSet};
use super::glob::{BraceLimits, PatternError};
use crate::model::{Compat, PathFunction};
use crate::reference::path_function_holds;
use crate::rules::evaluate::atom_matches;
use crate::rules::{PathAtom, Regex};

fn path_set(function: PathFunction, text: &[u8], compat: Compat) -> Result<PathSet, PatternError> {
    atom::path_set(function, text, compat, BraceLimits::default())
}

const GLOB_PIECES: [&str; 28] = [
    "/",
    "/",
    "a",
    "b",
    "*",
    "**",
    "**/",
    "/**",
    "/**/",
    "?",
    "[ab]",
    "[!a]",
    "[^a]",
    "[a-c]",
    "{a,b}",
    "{a/,b/**}",
    "{*,b}",
    "{a,{b,/c}}",
    "{,a}",
    r"\*",
    r"\{",
    "]",
    "}",
    "[]a]",
    r"[\]]",
    "[c-a]",
    "é",
    ".",
];

const SEARCH_PIECES: [&str; 31] = [
    "/", "/", "a", "b", ".", ".*", ".+", "[^/]+", "[^/]*", r"\d", r"\w+", r"\W", r"\S", "(a|b)", "(a|/b)",
    "^", "$", "a{2,3}", "b?", "[^a]", "é", "[é-ü]", "(?i)", "|", "(?:^|/)a", "\n", "{", "{1}", "{b}", r"\{",
    r"\x{62}",
];

const KEY_PIECES: [&str; 18] = [
    "/", "/", "a", "b", "*", "/*", "/:id", ":id", ":", "{id}", "/{id}", "{}", "{a/", "{a}_{b}", ".", "|",
    "+", "?",
];

const NAMES: [&[u8]; 18] = [
    b"a",
    b"b",
    b"c",
    b"ab",
    b"aa",
    b"abc",
    b".a",
    b"*",
    b"{",
    "é".as_bytes(),
    b"\xff",
    b"a?b",
    b"?",
    b"\n",
    b"1",
    b"a_b",
    b"A",
    b"a]",
];

fn pattern(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(select(pieces), 0..7).prop_map(|pieces| {
        let text = pieces.concat();
        if text.starts_with('/') { text.into_bytes() } else { [b"/", text.as_bytes()].concat() }
    })
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(select(&NAMES[..]), 0..5).prop_map(|names| {
        if names.is_empty() { b"/".to_vec() } else { [&b"/"[..], &names.join(&b"/"[..])].concat() }
    })
}

fn holds(set: &PathSet, path: &[u8]) -> bool {
    match set {
        PathSet::Every => true,
        PathSet::Atom(atom) => atom_matches(atom, path),
        PathSet::Within(dir) => path == dir || atom_matches(&PathAtom::Below(dir.clone()), path),
    }
}

fn agree(function: PathFunction, pattern: &[u8], paths: &[Vec<u8>]) -> Result<(), TestCaseError> {
    for compat in [Compat::Boesfs, Compat::CasbinRs, Compat::CasbinGo] {
        let Ok(set) = path_set(function, pattern, compat) else { continue };
        for path in paths {
            let want = path_function_holds(function, pattern, compat, path);
            prop_assert_eq!(
                holds(&set, path),
                want,
                "{:?} {:?} on {:?} as {:?}: {:?}",
                function,
                String::from_utf8_lossy(pattern),
                String::from_utf8_lossy(path),
                compat,
                set
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn globs_keep_their_meaning(
        pattern in pattern(&GLOB_PIECES),
        paths in prop::collection::vec(path(), 20),
    ) {
        agree(PathFunction::PathMatch, &pattern, &paths)?;
        agree(PathFunction::GlobMatch, &pattern, &paths)?;
    }

    #[test]
    fn searches_keep_their_meaning(
        pattern in pattern(&SEARCH_PIECES),
        paths in prop::collection::vec(path(), 20),
    ) {
        agree(PathFunction::RegexMatch, &pattern, &paths)?;
        agree(PathFunction::RegexMatch, &pattern[1..], &paths)?;
    }

    #[test]
    fn key_patterns_keep_their_meaning(
        pattern in pattern(&KEY_PIECES),
        paths in prop::collection::vec(path(), 20),
    ) {
        for function in [
            PathFunction::KeyMatch,
            PathFunction::KeyMatch2,
            PathFunction::KeyMatch3,
            PathFunction::KeyMatch5,
            PathFunction::Under,
            PathFunction::Within,
        ] {
            agree(function, &pattern, &paths)?;
        }
    }
}

#[test]
fn plain_languages_are_told_from_patterns() {
    let of = |function, text: &str| path_set(function, text.as_bytes(), Compat::Boesfs).unwrap();
    let below = |dir: &str| PathSet::Atom(PathAtom::Below(dir.as_bytes().to_vec()));
    let prefix = |text: &str| PathSet::Atom(PathAtom::Prefix(text.as_bytes().to_vec()));
    let literal = |text: &str| PathSet::Atom(PathAtom::Literal(text.as_bytes().to_vec()));
    assert_eq!(of(PathFunction::PathMatch, "/a/**"), below("/a"));
    assert_eq!(of(PathFunction::PathMatch, "/a**"), prefix("/a"));
    assert_eq!(of(PathFunction::PathMatch, "/**"), PathSet::Every);
    assert_eq!(of(PathFunction::PathMatch, r"/a\*"), literal("/a*"));
    assert_eq!(of(PathFunction::GlobMatch, "/a/**"), below("/a"));
    assert_eq!(of(PathFunction::KeyMatch, "/a/*"), below("/a"));
    assert_eq!(of(PathFunction::KeyMatch, "/a*"), prefix("/a"));
    assert_eq!(of(PathFunction::KeyMatch, "//*"), prefix("//"));
    assert_eq!(of(PathFunction::KeyMatch, "*"), PathSet::Every);
    assert_eq!(of(PathFunction::RegexMatch, "^/a$"), literal("/a"));
    assert_eq!(of(PathFunction::RegexMatch, "^/a/"), below("/a"));
    assert_eq!(of(PathFunction::KeyMatch2, "/a"), literal("/a"));
    assert_eq!(atom::text_atom(b"/a", BraceLimits::default()), Ok(PathAtom::Literal(b"/a".to_vec())));
}

#[test]
fn stars_in_braces_see_what_stands_beside_them() {
    let paths = ["/a/a", "/a/c", "/ac", "/a/b/c", "/b", "/a", "/abc"].map(|path| path.as_bytes().to_vec());
    for pattern in ["/{a,{b,/c}}{*,b}{*,b}", "/{a/,b}{**/c,d}", "/{a/,b}{,x}{**/c,d}", "/a{/*,b}{*/c,c}"] {
        agree(PathFunction::GlobMatch, pattern.as_bytes(), &paths).unwrap();
        agree(PathFunction::PathMatch, pattern.as_bytes(), &paths).unwrap();
    }
}

#[test]
fn what_is_no_language_is_refused() {
    for (function, pattern) in [
        (PathFunction::RegexMatch, "("),
        (PathFunction::RegexMatch, r"\bsecret"),
        (PathFunction::RegexMatch, "(?m)^a"),
        (PathFunction::KeyMatch5, "/a(^b)"),
    ] {
        assert!(path_set(function, pattern.as_bytes(), Compat::Boesfs).is_err(), "{pattern}");
    }
    let (both, go) = ([Compat::Boesfs, Compat::CasbinRs], Compat::CasbinGo);
    for (pattern, to_go) in [
        ("/{a,b", true),
        ("/[ab", true),
        (r"/a\", true),
        ("/[]", true),
        ("/[!]", true),
        ("/a}", false),
        ("/[b-a]", false),
    ] {
        let refused = |function, compat| path_set(function, pattern.as_bytes(), compat).is_err();
        assert!(refused(PathFunction::PathMatch, Compat::Boesfs), "{pattern}");
        assert!(both.iter().all(|compat| refused(PathFunction::GlobMatch, *compat)), "{pattern}");
        assert_eq!(refused(PathFunction::GlobMatch, go), to_go, "{pattern}");
    }
    assert!(path_set(PathFunction::GlobMatch, b"/x[]a]", go).is_err());
    assert!(path_set(PathFunction::GlobMatch, b"/x[]a]", Compat::CasbinRs).is_ok());
    let many = "{a,b}".repeat(11);
    assert!(path_set(PathFunction::PathMatch, many.as_bytes(), Compat::Boesfs).is_err());
    let deep = "{".repeat(100_000);
    assert!(path_set(PathFunction::PathMatch, deep.as_bytes(), Compat::Boesfs).is_err());
}

#[test]
fn an_endless_repetition_is_bytewise() {
    let Ok(PathSet::Atom(PathAtom::Pattern(regex))) =
        path_set(PathFunction::RegexMatch, b"^/a/[^/]+$", Compat::Boesfs)
    else {
        panic!("a pattern");
    };
    let Regex::Concat(parts) = *regex else { panic!("{regex:?}") };
    let not_slash = Regex::Bytes(vec![(0, b'/' - 1), (b'/' + 1, 255)]);
    assert_eq!(parts.last(), Some(&Regex::Repeat { of: Box::new(not_slash), min: 1, max: None }));
}
