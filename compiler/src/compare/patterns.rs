//! Sets of paths as patterns for people: proposed by rule of thumb, said only after they were proved to be exact.

use crate::automaton::Inputs;

use super::candidates::{Candidate, Candidates, Effort};
use super::language::{ALL, DEAD, Language, NONE};
use crate::shown::written;

/// A set of paths or texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns {
    /// Their union is the set, or holds it.
    pub terms: Vec<PatternTerm>,
    /// Whether the union is exactly the set; else it is larger.
    pub exact: bool,
}

/// A pattern, less some others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternTerm {
    /// As `pathMatch` takes it, or `FUNCTION(PATTERN)`.
    pub pattern: String,
    /// Another pattern that takes all that is meant, too.
    pub also: Option<String>,
    /// What of it is not meant.
    pub except: Vec<PatternTerm>,
}

/// The most terms of one set.
const MAX_TERMS: usize = 64;
/// The longest word from which patterns are guessed.
const MAX_WORD: usize = 40;
/// How deep exceptions may have exceptions.
const MAX_DEPTH: usize = 3;

/// The set of the paths (or texts) of `language`.
pub(super) fn describe(language: &Language, candidates: &Candidates) -> Patterns {
    candidates.effort().next();
    let plain = terms(language, candidates, 0);
    // What is short to say needs no search for what is shorter.
    let simple = plain.as_ref().is_some_and(|terms| {
        terms.iter().all(|term| match term.except.as_slice() {
            [] => true,
            [one] => one.except.is_empty(),
            _ => false,
        })
    });
    let crossed = if simple {
        None
    } else {
        candidates.effort().next();
        terms(language, &candidates.crossed(), 0)
    };
    if let Some(terms) = [crossed, plain].into_iter().flatten().min_by_key(|terms| length(terms)) {
        return Patterns { terms, exact: true };
    }
    // What all of them begin with is a set around it.
    let prefix = language.common_prefix();
    Patterns { terms: vec![everything(&prefix, language.inputs)], exact: false }
}

/// Terms whose union is exactly `language`, if they can be found.
fn terms(language: &Language, candidates: &Candidates, depth: usize) -> Option<Vec<PatternTerm>> {
    if language.is_empty() {
        return Some(Vec::new());
    }
    if let Some(known) = candidates.list.iter().find(|known| known.language == *language) {
        // A plain subtree or path is said the plain way.
        return match spelt(language, language.start, &mut Vec::new(), true, &mut 0, candidates.effort()) {
            Some(terms) if terms.len() <= 2 => Some(terms),
            _ => Some(vec![known.term()]),
        };
    }
    if let Some(terms) = spelt(language, language.start, &mut Vec::new(), true, &mut 0, candidates.effort()) {
        return Some(terms);
    }
    if depth >= MAX_DEPTH {
        return None;
    }
    let ways = [covered(language, candidates, depth), less(language, candidates, depth)];
    ways.into_iter().flatten().min_by_key(|terms| length(terms))
}

/// The union of candidates, less others that share nothing with the language, and the rest.
fn covered(language: &Language, candidates: &Candidates, depth: usize) -> Option<Vec<PatternTerm>> {
    let effort = candidates.effort();
    let mut apart: Vec<&Candidate> = Vec::new();
    let mut wider = language.clone();
    for known in &candidates.list {
        if effort.with(&known.language, language, |known, inner| known && inner)?.is_empty() {
            wider = effort.with(&wider, &known.language, |wider, known| wider || known)?;
            apart.push(known);
        }
    }
    let mut rest = language.clone();
    let mut taken: Vec<&Candidate> = Vec::new();
    for known in &candidates.list {
        let outside = effort.with(&known.language, &wider, |inner, outer| inner && !outer)?;
        if !outside.is_empty() {
            continue;
        }
        let left = effort.with(&rest, &known.language, |rest, known| rest && !known)?;
        if left != rest {
            taken.push(known);
            rest = left;
        }
        if rest.is_empty() {
            taken = needed(taken, language, effort)?;
            break;
        }
    }
    if taken.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    for known in taken {
        let surplus = effort.with(&known.language, language, |known, inner| known && !inner)?;
        let mut except: Vec<&Candidate> = Vec::new();
        for other in &apart {
            if !effort.with(&other.language, &surplus, |other, surplus| other && surplus)?.is_empty() {
                except.push(other);
            }
        }
        let except = needed(except, &surplus, effort)?;
        found.push(PatternTerm { except: except.into_iter().map(Candidate::term).collect(), ..known.term() });
    }
    if !rest.is_empty() {
        found.extend(terms(&rest, candidates, depth + 1)?);
    }
    Some(found)
}

/// Those of `taken` without which the others do not hold all of `language`.
fn needed<'c>(
    mut taken: Vec<&'c Candidate>,
    language: &Language,
    effort: &Effort,
) -> Option<Vec<&'c Candidate>> {
    for at in (0..taken.len()).rev() {
        let mut rest = language.clone();
        for (_, other) in taken.iter().enumerate().filter(|(other, _)| *other != at) {
            rest = effort.with(&rest, &other.language, |rest, other| rest && !other)?;
        }
        if rest.is_empty() {
            taken.remove(at);
        }
    }
    Some(taken)
}

/// Patterns that may be around the language: what all its inputs begin with, then what its shortest one ends with.
fn around(language: &Language, effort: &Effort) -> Vec<Candidate> {
    let (prefix, Some(word)) = (language.common_prefix(), language.shortest()) else { return Vec::new() };
    let dir = prefix.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let start = escaped(&prefix[..dir]);
    let last = word.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let name = &word[last.max(dir).min(word.len())..];
    let mut patterns = vec![format!("{}**", escaped(&prefix)), format!("{start}**/{}", escaped(name))];
    if let Some(dot) = name.iter().rposition(|byte| *byte == b'.') {
        patterns.push(format!("{start}**/*{}", escaped(&name[dot..])));
    }
    let known = |pattern: String| {
        let language = effort.guess(&pattern, language.inputs)?;
        Some(Candidate { term: pattern, also: None, language })
    };
    patterns.into_iter().filter_map(known).collect()
}

/// One candidate around the language, less what is too much.
fn less(language: &Language, candidates: &Candidates, depth: usize) -> Option<Vec<PatternTerm>> {
    let effort = candidates.effort();
    let mut best: Option<Vec<PatternTerm>> = None;
    let whole = Candidate { term: String::new(), also: None, language: Language::every(language.inputs) };
    let around = around(language, effort);
    for known in candidates.list.iter().chain(&around).chain([&whole]) {
        let missing = effort.with(language, &known.language, |inner, outer| inner && !outer)?;
        if !missing.is_empty() || known.language.start == ALL && best.is_some() {
            continue;
        }
        let all = effort.with(&known.language, language, |outer, inner| outer && !inner)?;
        let mut surplus = all.clone();
        let mut taken: Vec<&Candidate> = Vec::new();
        // What is taken away may hold more than there is to take from.
        for other in &candidates.list {
            let shared = effort.with(&other.language, language, |other, inner| other && inner)?;
            if surplus.is_empty() || !shared.is_empty() {
                continue;
            }
            let left = effort.with(&surplus, &other.language, |surplus, other| surplus && !other)?;
            if left != surplus {
                taken.push(other);
                surplus = left;
            }
        }
        if surplus.is_empty() {
            taken = needed(taken, &all, effort)?;
        }
        let mut except: Vec<PatternTerm> = taken.into_iter().map(Candidate::term).collect();
        let Some(rest) = terms(&surplus, candidates, depth + 1) else { continue };
        except.extend(rest);
        let mut term = match known.term.as_str() {
            "" => everything(b"", candidates.inputs),
            _ => known.term(),
        };
        term.except = except;
        let terms = vec![term];
        if best.as_ref().is_none_or(|best| length(&terms) < length(best)) {
            best = Some(terms);
        }
    }
    best
}

fn length(terms: &[PatternTerm]) -> usize {
    let own = |term: &PatternTerm| 1 + term.pattern.len() + term.also.as_ref().map_or(0, String::len);
    terms.iter().map(|term| own(term) + length(&term.except)).sum()
}

/// All inputs that begin with `prefix`.
fn everything(prefix: &[u8], inputs: Inputs) -> PatternTerm {
    let pattern = match (inputs, prefix) {
        (Inputs::Paths, b"") => "/**".to_owned(),
        (_, prefix) => format!("{}**", escaped(prefix)),
    };
    PatternTerm { pattern, also: None, except: Vec::new() }
}

/// `text` as a pattern that takes just that.
fn escaped(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text {
        if b"*?[]{}\\".contains(byte) {
            bytes.push(b'\\');
        }
        bytes.push(*byte);
    }
    written(&bytes)
}

/// The inputs that go on from `at` and are in (or, unless `wanted`, are not), each as a literal, a subtree or such
/// less others; `None` if that is not all there is.
fn spelt(
    language: &Language,
    at: u32,
    prefix: &mut Vec<u8>,
    wanted: bool,
    count: &mut usize,
    effort: &Effort,
) -> Option<Vec<PatternTerm>> {
    let (full, empty) = if wanted { (ALL, NONE) } else { (NONE, ALL) };
    *count += 1;
    if *count > 40 * MAX_TERMS {
        return None;
    }
    if at == full {
        return Some(vec![everything(prefix, language.inputs)]);
    }
    if at == empty {
        return Some(Vec::new());
    }
    // Deeper than there are nodes is round in a circle.
    if prefix.len() > language.nodes.len() {
        return None;
    }
    let node = &language.nodes[at as usize];
    let plain = |pattern: String| PatternTerm { pattern, also: None, except: Vec::new() };
    if node.other == full {
        let except = spelt(language, at, prefix, !wanted, count, effort)?;
        return Some(vec![PatternTerm { except, ..everything(prefix, language.inputs) }]);
    }
    if node.other != empty && node.other != DEAD {
        return guessed(language, at, prefix, wanted, effort);
    }
    let mut terms = Vec::new();
    if node.spelt.is_path() && node.ends == wanted {
        terms.push(plain(escaped(prefix)));
    }
    for (byte, to) in &node.edges {
        if *to == DEAD || *to == empty {
            continue;
        }
        prefix.push(*byte);
        let below = spelt(language, *to, prefix, wanted, count, effort);
        prefix.pop();
        terms.extend(below?);
        if terms.len() > MAX_TERMS {
            return None;
        }
    }
    Some(terms)
}

/// `prefix` and a pattern that takes exactly what goes on from `at`, made from a shortest text that does.
fn guessed(
    language: &Language,
    at: u32,
    prefix: &[u8],
    wanted: bool,
    effort: &Effort,
) -> Option<Vec<PatternTerm>> {
    let rest = Language { start: at, ..language.clone() };
    let rest = if wanted { rest } else { effort.with(&rest, &rest, |inside, _| !inside)? };
    let word = rest.shortest()?;
    if word.len() > MAX_WORD {
        return None;
    }
    let (word, tails): (&[u8], &[&str]) = match word.strip_suffix(b"/a") {
        Some(before) => (before, &["/**", "/*"]),
        None => (&word, &["", "{,/**}"]),
    };
    let before = escaped(prefix);
    let mut guesses = Vec::new();
    for tail in tails {
        guesses.push(format!("{before}**/{}{tail}", escaped(word)));
        for cut in 0..=word.len() {
            let (head, end) = (escaped(&word[..cut]), &word[cut..]);
            guesses.push(format!("{before}{head}*{}{tail}", escaped(end)));
            guesses.push(format!("{before}{head}**{}{tail}", escaped(end)));
            if let Some(end) = end.get(1..) {
                guesses.push(format!("{before}{head}?*{}{tail}", escaped(end)));
            }
        }
    }
    guesses.into_iter().find_map(|guess| {
        let pattern = effort.guess(&guess, language.inputs)?;
        let there = pattern.start_after(prefix)?;
        let differs = effort.with(&there, &rest, |left, right| left != right)?;
        differs.is_empty().then(|| vec![PatternTerm { pattern: guess, also: None, except: Vec::new() }])
    })
}

impl Language {
    /// What all inputs begin with.
    fn common_prefix(&self) -> Vec<u8> {
        let (mut at, mut prefix) = (self.start, Vec::new());
        while at > NONE && prefix.len() < self.nodes.len() {
            let node = &self.nodes[at as usize];
            let mut ways = node.edges.iter().filter(|edge| edge.1 != NONE && edge.1 != DEAD);
            let (Some((byte, to)), None, false) = (ways.next(), ways.next(), node.ends) else { break };
            if node.other != NONE && node.other != DEAD {
                break;
            }
            prefix.push(*byte);
            at = *to;
        }
        prefix
    }

    /// What goes on from `prefix`.
    fn start_after(&self, prefix: &[u8]) -> Option<Self> {
        let mut at = self.start;
        for byte in prefix {
            at = match at {
                ALL | NONE => at,
                at => self.nodes[at as usize].after(*byte),
            };
        }
        (at != DEAD).then(|| Self { start: at, ..self.clone() })
    }
}
