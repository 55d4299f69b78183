//! Path languages: from path functions and patterns, and what one says about another.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::model::{Compat, PathFunction};
use crate::rules::{PathAtom, PathTest, Regex};

use super::bytes::{single_text, split_literal};
use super::expression::{brace_names, colon_names, search, search_before_query};
use super::glob::{self, BraceLimits, Flavour, PatternError};

/// A set of paths before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathSet {
    /// Every path.
    Every,
    /// The paths of one language.
    Atom(PathAtom),
    /// One path, or what lies below it.
    Within(Vec<u8>),
}

/// The paths that `function` takes for `text`. The error says why that cannot be compiled.
pub(super) fn path_set(
    function: PathFunction,
    text: &[u8],
    compat: Compat,
    limits: BraceLimits,
) -> Result<PathSet, PatternError> {
    let go = compat == Compat::CasbinGo;
    let flavour = match compat {
        Compat::Boesfs => Flavour::Glob,
        Compat::CasbinRs => Flavour::RsGlob,
        Compat::CasbinGo => Flavour::GoGlob,
    };
    let regex = match function {
        PathFunction::KeyMatch => {
            return Ok(match text.iter().position(|byte| *byte == b'*') {
                None => PathSet::Atom(PathAtom::Literal(text.to_vec())),
                Some(star) => starts_with(&text[..star], compat),
            });
        }
        PathFunction::Under => return Ok(PathSet::Atom(PathAtom::Below(text.to_vec()))),
        PathFunction::Within if text == b"/" => return Ok(PathSet::Every),
        PathFunction::Within => return Ok(PathSet::Within(text.to_vec())),
        // Most patterns of a large policy are paths.
        PathFunction::PathMatch | PathFunction::GlobMatch if is_plain(text) => {
            return Ok(PathSet::Atom(PathAtom::Literal(text.to_vec())));
        }
        PathFunction::PathMatch => glob::regex(text, Flavour::Path, limits),
        PathFunction::GlobMatch => glob::regex(text, flavour, limits),
        PathFunction::RegexMatch => search(text, compat).map_err(PatternError::Wrong),
        PathFunction::KeyMatch2 => search(&colon_names(text, go), compat).map_err(PatternError::Wrong),
        PathFunction::KeyMatch3 => search(&brace_names(text, true, !go), compat).map_err(PatternError::Wrong),
        PathFunction::KeyMatch5 => {
            search_before_query(&brace_names(text, go, false), compat).map_err(PatternError::Wrong)
        }
    };
    Ok(simplest(regex?, compat))
}

/// Whether both Casbins take the same paths for `text`, as far as the form of what they compile to shows.
pub(crate) fn takes_the_same(function: PathFunction, text: &[u8], readings: [Compat; 2]) -> bool {
    let [one, other] = readings.map(|compat| path_set(function, text, compat, BraceLimits::NONE).ok());
    one == other && !(function == PathFunction::GlobMatch && counts_characters(text))
}

/// Whether something in a glob takes one byte to casbin-rs, and to Go Casbin one character.
fn counts_characters(text: &[u8]) -> bool {
    let escaped = |at: usize| at > 0 && text[at - 1] == b'\\';
    text.iter().enumerate().any(|(at, byte)| match byte {
        b'?' => !escaped(at),
        b'[' => !escaped(at) && (matches!(text.get(at + 1), Some(b'!' | b'^')) || !text.is_ascii()),
        _ => false,
    })
}

/// Whether no glob of either kind takes anything in `text` for more than itself.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-'))
}

/// The languages of canonical paths that `function` takes for `text`: one of them, or any; `None` is every path.
pub(crate) fn path_atoms(function: PathFunction, text: &[u8], compat: Compat) -> Option<Vec<PathAtom>> {
    match path_set(function, text, compat, BraceLimits::NONE).ok()? {
        PathSet::Every => None,
        PathSet::Atom(atom) => Some(vec![atom]),
        PathSet::Within(dir) => Some(vec![PathAtom::Literal(dir.clone()), PathAtom::Below(dir)]),
    }
}

/// The texts that a path pattern in a tuple takes.
pub(super) fn text_atom(pattern: &[u8], limits: BraceLimits) -> Result<PathAtom, PatternError> {
    let regex = glob::regex(pattern, Flavour::Path, limits)?;
    Ok(match single_text(&regex) {
        Some(text) => PathAtom::Literal(text),
        None => PathAtom::Pattern(Box::new(regex)),
    })
}

/// The simplest form of a language of paths.
fn simplest(regex: Regex, compat: Compat) -> PathSet {
    match split_literal(&regex) {
        (text, None) => PathSet::Atom(PathAtom::Literal(text)),
        (text, Some(rest)) if rest == Regex::any() => starts_with(&text, compat),
        _ => PathSet::Atom(PathAtom::Pattern(Box::new(regex))),
    }
}

/// The paths that begin with `prefix`. A path is canonical, so that only `/` ends in `/`; under `compat` an object may
/// be any text.
fn starts_with(prefix: &[u8], compat: Compat) -> PathSet {
    match prefix {
        b"" => PathSet::Every,
        prefix if compat != Compat::Boesfs => PathSet::Atom(PathAtom::Prefix(prefix.to_vec())),
        b"/" => PathSet::Every,
        [dir @ .., b'/'] if dir.last() != Some(&b'/') => PathSet::Atom(PathAtom::Below(dir.to_vec())),
        prefix => PathSet::Atom(PathAtom::Prefix(prefix.to_vec())),
    }
}

/// Languages without repetition, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    hasher: DefaultHashBuilder,
    /// Indices into `list`.
    ids: HashTable<u32>,
    list: Vec<PathAtom>,
}

impl Atoms {
    pub(super) fn id(&mut self, atom: PathAtom) -> u32 {
        let Self { hasher, ids, list } = self;
        let hash = hasher.hash_one(&atom);
        if let Some(id) = ids.find(hash, |id| list[*id as usize] == atom) {
            return *id;
        }
        let id = u32::try_from(list.len()).expect("INVARIANT: fewer atoms than bytes of policy");
        list.push(atom);
        ids.insert_unique(hash, id, |id| hasher.hash_one(&list[*id as usize]));
        id
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, id: u32) -> &PathAtom {
        &self.list[id as usize]
    }

    pub(super) fn into_list(self) -> Vec<PathAtom> {
        self.list
    }

    /// Whether no path passes both tests, as far as that is easily seen.
    pub(super) fn disjoint(&self, one: PathTest, other: PathTest) -> bool {
        let (left, right) = (self.get(one.atom.0), self.get(other.atom.0));
        match (one.holds, other.holds) {
            (true, true) => apart(left, right),
            (true, false) => contained(left, right),
            (false, true) => contained(right, left),
            (false, false) => false,
        }
    }
}

/// How a language's texts begin, and whether they may end there; `None` for patterns.
fn beginning(atom: &PathAtom) -> Option<(Vec<u8>, bool)> {
    match atom {
        PathAtom::Literal(_) | PathAtom::Pattern(_) => None,
        PathAtom::Prefix(prefix) => Some((prefix.clone(), true)),
        PathAtom::Below(dir) => Some((below(dir), false)),
    }
}

/// What every path below `dir` begins with.
fn below(dir: &[u8]) -> Vec<u8> {
    if dir == b"/" { dir.to_vec() } else { [dir, b"/"].concat() }
}

fn apart(left: &PathAtom, right: &PathAtom) -> bool {
    match (left, right) {
        (PathAtom::Literal(left), PathAtom::Literal(right)) => left != right,
        (PathAtom::Literal(text), atom) | (atom, PathAtom::Literal(text)) => {
            beginning(atom).is_some_and(|beginning| !begins(text, &beginning))
        }
        (left, right) => match (beginning(left), beginning(right)) {
            (Some((left, _)), Some((right, _))) => !left.starts_with(&right) && !right.starts_with(&left),
            _ => false,
        },
    }
}

fn contained(inner: &PathAtom, outer: &PathAtom) -> bool {
    match (inner, beginning(outer)) {
        (PathAtom::Literal(text), Some(outer)) => begins(text, &outer),
        (inner, Some((outer, outer_may_end))) => beginning(inner).is_some_and(|(inner, inner_may_end)| {
            inner.starts_with(&outer) && (outer_may_end || inner.len() > outer.len() || !inner_may_end)
        }),
        (_, None) => inner == outer,
    }
}

fn begins(text: &[u8], (beginning, may_end): &(Vec<u8>, bool)) -> bool {
    text.starts_with(beginning) && (*may_end || text.len() > beginning.len())
}

/// The path that `atom` is about, or its literal directory.
pub(crate) fn directory(atom: &PathAtom) -> Option<Vec<u8>> {
    let prefix = match atom {
        PathAtom::Literal(path) | PathAtom::Below(path) => return Some(path.clone()),
        PathAtom::Prefix(prefix) => prefix.clone(),
        PathAtom::Pattern(regex) => split_literal(regex).0,
    };
    match prefix.iter().rposition(|byte| *byte == b'/') {
        Some(0) => Some(b"/".to_vec()),
        Some(slash) => Some(prefix[..slash].to_vec()),
        None => None,
    }
}
