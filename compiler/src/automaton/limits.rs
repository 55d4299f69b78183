//! How much work and memory a build may take, and what it says when that is not enough.

/// Bounds of one build. Every breach is an [`AutomatonError`] that carries the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// States of one automaton before it is made minimal, those on the way from one branching to the next counted as one.
    pub states: usize,
    /// Transitions of states with several, of one automaton before it is made minimal.
    pub transitions: usize,
    /// States all patterns of one automaton have together, repetitions written out.
    pub pattern_states: usize,
    /// Numbers held in all sets of atoms and of pattern states, four bytes each.
    pub set_items: usize,
    /// Cells of all rows together, repeated ones included.
    pub cells: usize,
    /// Boxes the tests of one cell and operation may be split into.
    pub boxes: usize,
    /// How deep a pattern may nest.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            states: 8_000_000,
            transitions: 32_000_000,
            pattern_states: 1_000_000,
            set_items: 16_000_000,
            cells: 64_000_000,
            boxes: 4_096,
            nesting: 500,
        }
    }
}

/// Which of a policy's two automata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The one over objects' paths.
    Paths,
    /// The one over path and text arguments.
    Texts,
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Paths => "path",
            Self::Texts => "argument",
        })
    }
}

/// Why no automaton could be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AutomatonError {
    /// Too many states or transitions.
    #[error("the {input} automaton needs more than {limit} {what}")]
    TooLarge {
        /// Which automaton.
        input: Input,
        /// Of what there are too many.
        what: &'static str,
        /// How many there may be.
        limit: usize,
        /// Indices of the patterns that take part in most of its states, worst first.
        patterns: Vec<u32>,
    },
    /// The patterns alone are too large.
    #[error("the {input} patterns need more than {limit} states, repetitions written out")]
    Patterns {
        /// Which automaton.
        input: Input,
        /// How many there may be.
        limit: usize,
        /// Index of the pattern at which it was too much.
        pattern: u32,
    },
    /// A pattern nests too deeply.
    #[error("a pattern nests more than {limit} levels deep")]
    Nesting {
        /// How deep it may.
        limit: usize,
        /// Index of the pattern.
        pattern: u32,
    },
    /// Too many (path, class) pairs.
    #[error("{rows} sets of rules times {classes} subject classes make more than {limit} cells")]
    Cells {
        /// How many sets of path languages some path lies in.
        rows: usize,
        /// How many subject classes there are.
        classes: usize,
        /// How many cells there may be.
        limit: usize,
    },
    /// Too many combinations of tests.
    #[error("the tests on `{op}` split into more than {limit} combinations")]
    Boxes {
        /// The operation.
        op: boesfs_abi::op::Op,
        /// How many there may be.
        limit: usize,
        /// The rules whose tests they are.
        rules: Vec<crate::rules::RuleId>,
    },
}
