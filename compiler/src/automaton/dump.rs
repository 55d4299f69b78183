//! The automaton as text, for people.

use std::fmt::{self, Write as _};

use boesfs_abi::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, FIELD_GID, FIELD_KIND, FIELD_UID, NO_RULE, Test,
};
use boesfs_abi::op::{ArgType, OpSet};
use boesfs_abi::request::Kind;
use boesfs_abi::verdict::Errno;

use super::Compiled;
use super::cell::{Cell, Line};
use super::rows::decided_ops;

impl Compiled {
    /// The automaton, its rows and cells as text.
    #[must_use]
    pub fn dump(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("INVARIANT: writing to a string succeeds");
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "{} states ({} before minimisation), {} edges, {} rows of {} classes, {} cells",
            self.paths.state_count(),
            self.languages.dfa.state_count(),
            self.paths.edge_count(),
            self.rows.len(),
            self.class_count,
            self.cells.len()
        )?;
        writeln!(out, "\npaths:")?;
        write_states(out, &self.paths, "row")?;
        if let Some(texts) = &self.texts.dfa {
            writeln!(out, "\narguments:")?;
            write_states(out, texts, "text class")?;
        }
        writeln!(out, "\nrows:")?;
        for row in self.rows.rows() {
            let cells: Vec<String> = self.rows.row(row).map(|cell| cell.to_string()).collect();
            writeln!(out, "  row {row}: cells {}", cells.join(" "))?;
        }
        writeln!(out, "\ncells:")?;
        for (number, cell) in self.cells.iter().enumerate() {
            writeln!(out, "  cell {number}:")?;
            cell.write(out, decided_ops(self.shape))?;
        }
        Ok(())
    }
}

fn write_states(out: &mut String, dfa: &super::Dfa, label: &str) -> fmt::Result {
    for state in dfa.states() {
        write!(out, "  {}: {label} {}", state.index(), dfa.label(state))?;
        for edge in dfa.edges(state) {
            write!(out, ", {} -> {}", spelt_byte(edge.byte), edge.to.index())?;
        }
        if dfa.is_sink(state) {
            writeln!(out, ", stays")?;
        } else {
            writeln!(out, ", else -> {}", dfa.other(state).index())?;
        }
    }
    Ok(())
}

impl Cell {
    fn write(&self, out: &mut String, ops: OpSet) -> fmt::Result {
        let allow = ops.difference(self.deny).difference(self.depend);
        for (what, ops) in [("allows", allow), ("denies", self.deny)] {
            let mut rest = ops;
            while let Some(op) = rest.iter().next() {
                let rule = self.rules[op as usize];
                let same = rest.iter().filter(|other| self.rules[*other as usize] == rule);
                let same = same.fold(OpSet::EMPTY, OpSet::with);
                rest = rest.difference(same);
                writeln!(out, "    {what} {} by {}", spelt_ops(same), spelt_rule(rule))?;
            }
        }
        for (what, lines) in
            [("first", &self.first), ("denied where", &self.denies), ("allowed where", &self.allows)]
        {
            for line in lines {
                writeln!(out, "    {what} {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", spelt_ops(self.ops))?;
        for test in &self.tests {
            write!(f, " [{}]", spelt_test(test, self.ops))?;
        }
        if self.outcome.deny {
            write!(f, ": deny {}", Errno::from_code(self.outcome.errno).name())?;
        } else {
            f.write_str(": allow")?;
        }
        write!(f, " by {}", spelt_rule(self.outcome.rule))
    }
}

/// One byte, readable.
pub(crate) fn spelt_byte(byte: u8) -> String {
    format!("'{}'", byte.escape_ascii())
}

/// Operations, readable.
pub(crate) fn spelt_ops(ops: OpSet) -> String {
    if ops.is_empty() {
        return "nothing".to_owned();
    }
    ops.iter().map(|op| op.name()).collect::<Vec<_>>().join(" ")
}

/// A rule by its index, or the default.
fn spelt_rule(rule: u32) -> String {
    if rule == NO_RULE { "default".to_owned() } else { format!("rule {rule}") }
}

/// A test, readable; `ops` are the operations it is asked of.
pub(crate) fn spelt_test(test: &Test, ops: OpSet) -> String {
    let field = match test.field {
        FIELD_UID => "uid",
        FIELD_GID => "gid",
        FIELD_KIND => "kind",
        place => ops
            .iter()
            .next()
            .and_then(|op| op.spec().args.get(usize::from(place)))
            .map_or("?", |arg| arg.name),
    };
    let signed = ops
        .iter()
        .next()
        .and_then(|op| op.spec().args.get(usize::from(test.field)))
        .is_some_and(|arg| arg.ty == ArgType::Signed);
    let number = |value: u64| if signed { value.cast_signed().to_string() } else { value.to_string() };
    let not = if test.holds == 1 { "" } else { "not " };
    let mut text = String::new();
    let written = match test.condition {
        CONDITION_BETWEEN if test.a == test.b => write!(text, "{not}{field} = {}", number(test.a)),
        CONDITION_BETWEEN => write!(text, "{not}{field} in {}..{}", number(test.a), number(test.b)),
        CONDITION_ANY_BIT => write!(text, "{not}{field} & {:#x}", test.a),
        CONDITION_KIND => {
            let kinds: Vec<&str> = Kind::ALL
                .into_iter()
                .filter(|kind| test.a >> *kind as u32 & 1 == 1)
                .map(Kind::name)
                .collect();
            write!(text, "{not}{field} in {}", kinds.join(" "))
        }
        _ => write!(text, "{not}{field} in text set {}", test.set),
    };
    written.expect("INVARIANT: writing to a string succeeds");
    text
}
