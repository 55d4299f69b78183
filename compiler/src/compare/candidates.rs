//! The patterns a set may be described with, and how much describing may take.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;

use crate::automaton::{self, Input, Inputs, SetId, determinize};
use crate::model::{Compat, PathFunction};
use crate::rules::{PathAtom, argument_language, path_language};

use super::language::Language;
use super::patterns::PatternTerm;
use crate::shown::written;

/// The most states of a pattern that is tried.
const MAX_STATES: usize = 20_000;
/// The most nodes that are tried for all sets of a comparison.
const MAX_EFFORT: usize = 1_200_000;
/// The nodes that may be tried for any set.
const MIN_EFFORT: usize = 2_000;
/// What it takes to compile a pattern, in nodes.
const GUESS: usize = 100;

/// How much may be tried before a set is said inexactly: counted in nodes, so that the same policies get the same
/// words on every machine.
#[derive(Clone, Debug)]
pub(super) struct Effort {
    /// What all sets of a comparison may still take.
    all: Rc<Cell<usize>>,
    /// What the set that is described now may still take.
    one: Rc<Cell<usize>>,
    /// Patterns that were compiled before.
    known: Rc<RefCell<HashMap<Tried, Option<Language>>>>,
}

/// A pattern: its function, its text, and whether it is about paths.
type Tried = (PathFunction, Vec<u8>, bool);

impl Effort {
    /// For one comparison.
    pub(super) fn new() -> Self {
        Self { all: Rc::new(Cell::new(MAX_EFFORT)), one: Rc::default(), known: Rc::default() }
    }

    /// For the next set: a share of what is left, so that an early one leaves something to the later.
    pub(super) fn next(&self) {
        self.one.set((self.all.get() / 4).max(MIN_EFFORT));
    }

    /// [`Language::with`], if there is effort left.
    pub(super) fn with(
        &self,
        one: &Language,
        other: &Language,
        keep: impl Fn(bool, bool) -> bool,
    ) -> Option<Language> {
        self.take(1 + one.nodes.len() + other.nodes.len())?;
        one.with(other, keep)
    }

    fn take(&self, cost: usize) -> Option<()> {
        self.one.set(self.one.get().checked_sub(cost)?);
        self.all.set(self.all.get().saturating_sub(cost));
        Some(())
    }

    /// [`language`], if it was compiled before or there is effort left.
    fn language(&self, function: PathFunction, text: &[u8], inputs: Inputs) -> Option<Language> {
        let tried = (function, text.to_vec(), inputs == Inputs::Paths);
        if let Some(known) = self.known.borrow().get(&tried) {
            return known.clone();
        }
        self.take(GUESS)?;
        let language = language(function, text, inputs);
        self.known.borrow_mut().insert(tried, language.clone());
        language
    }

    /// The same of a pattern as `pathMatch` takes it.
    pub(super) fn guess(&self, pattern: &str, inputs: Inputs) -> Option<Language> {
        self.language(PathFunction::PathMatch, pattern.as_bytes(), inputs)
    }
}

/// Patterns that rules are written with, tried before others.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    pub(super) list: Vec<Candidate>,
    pub(super) inputs: Inputs,
    effort: Effort,
}

/// A pattern, or what two of them share.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) term: String,
    pub(super) also: Option<String>,
    pub(super) language: Language,
}

impl Candidate {
    pub(super) fn term(&self) -> PatternTerm {
        PatternTerm { pattern: self.term.clone(), also: self.also.clone(), except: Vec::new() }
    }
}

impl Candidates {
    /// No pattern.
    pub(super) fn none(inputs: Inputs, effort: &Effort) -> Self {
        Self { list: Vec::new(), inputs, effort: effort.clone() }
    }

    /// What may still be tried.
    pub(super) fn effort(&self) -> &Effort {
        &self.effort
    }

    /// The patterns in the texts of rules: each cell of a rule's line (or each value of its tuple) in every function.
    pub(super) fn of_rules<'r>(
        rules: impl Iterator<Item = &'r str>,
        inputs: Inputs,
        effort: &Effort,
    ) -> Self {
        const MOST: usize = 96;
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for rule in rules {
            for cell in cells(rule) {
                let tuple = cell.strip_prefix('(').map(|rest| rest.strip_suffix(')').unwrap_or(rest));
                let values: Vec<&str> = match (inputs, tuple) {
                    (Inputs::Paths, None) => vec![cell.as_str()],
                    (Inputs::All, Some(tuple)) => tuple.split(',').map(str::trim).collect(),
                    _ => Vec::new(),
                };
                for value in values {
                    let wild = value.contains(['/', '*', '?', '[', '^']);
                    if wild && texts.len() < MOST && !texts.iter().any(|known| known == value.as_bytes()) {
                        texts.push(value.as_bytes().to_vec());
                    }
                }
            }
        }
        // What rules are written with is compiled whatever was tried before.
        effort.one.set(GUESS * MOST * 8);
        let mut candidates = Self::none(inputs, effort);
        let functions: &[PathFunction] = match inputs {
            Inputs::Paths => &[
                PathFunction::PathMatch,
                PathFunction::KeyMatch,
                PathFunction::Within,
                PathFunction::KeyMatch2,
                PathFunction::KeyMatch3,
                PathFunction::KeyMatch5,
                PathFunction::GlobMatch,
                PathFunction::RegexMatch,
            ],
            Inputs::All => &[PathFunction::PathMatch],
        };
        for function in functions {
            for text in &texts {
                // A wildcard of one function is a plain byte of another, and such a pattern is nobody's.
                if !speaks(*function, text) {
                    continue;
                }
                let Some(language) = effort.language(*function, text, inputs) else { continue };
                if candidates.list.iter().all(|known| known.language != language) && !language.is_empty() {
                    let term = match function {
                        PathFunction::PathMatch => written(text),
                        function => format!("{}({})", function.name(), written(text)),
                    };
                    candidates.list.push(Candidate { term, also: None, language });
                }
            }
        }
        candidates
    }
}

impl Candidates {
    /// With what the first few of them share, two by two.
    pub(super) fn crossed(&self) -> Self {
        const MOST: usize = 12;
        let mut crossed = self.clone();
        for (at, one) in self.list.iter().enumerate().take(MOST) {
            for other in self.list.iter().take(MOST).skip(at + 1) {
                let Some(language) =
                    self.effort.with(&one.language, &other.language, |one, other| one && other)
                else {
                    continue;
                };
                if !language.is_empty() && crossed.list.iter().all(|known| known.language != language) {
                    let (term, also) = (one.term.clone(), Some(other.term.clone()));
                    crossed.list.push(Candidate { term, also, language });
                }
            }
        }
        crossed
    }
}

/// Whether a text may have been written for a function.
fn speaks(function: PathFunction, text: &[u8]) -> bool {
    let has = |bytes: &[u8]| text.iter().any(|byte| bytes.contains(byte));
    match function {
        PathFunction::PathMatch | PathFunction::GlobMatch => true,
        PathFunction::KeyMatch => text.ends_with(b"*") && !has(b"?[]{}^"),
        PathFunction::Under | PathFunction::Within => !has(b"*?[]{}^"),
        PathFunction::KeyMatch2 => has(b":*") && !has(b"{}"),
        PathFunction::KeyMatch3 | PathFunction::KeyMatch5 => has(b"{*") && !has(b","),
        PathFunction::RegexMatch => has(b"^$.+|(\\"),
    }
}

/// The cells of a rule's line: commas within quotes and parentheses do not split.
pub(super) fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let (mut quoted, mut tuple) = (false, false);
    for ch in line.chars() {
        let last = cells.last_mut().expect("INVARIANT: never empty");
        match ch {
            '"' => quoted = !quoted,
            ',' if !quoted && !tuple => cells.push(String::new()),
            ch => {
                tuple = !quoted && (tuple || ch == '(' && last.trim().is_empty()) && ch != ')';
                last.push(ch);
            }
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

/// The inputs that `function` takes for `text`; `None` if it does not compile, or not within bounds.
fn language(function: PathFunction, text: &[u8], inputs: Inputs) -> Option<Language> {
    let (atoms, input) = match inputs {
        Inputs::Paths => (path_language(function, text, Compat::Boesfs).ok()?, Input::Paths),
        Inputs::All => (Some(vec![argument_language(text).ok()?]), Input::Texts),
    };
    let Some(atoms) = atoms else { return Some(Language::every(inputs)) };
    of_atoms(&atoms, input, inputs)
}

fn of_atoms(atoms: &[PathAtom], input: Input, inputs: Inputs) -> Option<Language> {
    let limits = automaton::Limits {
        states: MAX_STATES,
        transitions: 8 * MAX_STATES,
        pattern_states: MAX_STATES,
        ..automaton::Limits::default()
    };
    let labelled = determinize(atoms, input, &limits).ok()?;
    let dfa = labelled.dfa.relabelled(|label| u32::from(!labelled.sets.get(SetId(label)).is_empty()));
    Language::of_dfa(&dfa, inputs, 4 * MAX_STATES).ok()?
}
