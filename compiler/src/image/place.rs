//! What decides at one path: the state it leads to, and the rules that meet there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use boesfs_abi::image::{ClassId, RuleInfo, State, ValidImage};
use boesfs_abi::layout::{Cell, Entry};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::{Errno, Verdict};
use serde_json::{Value, json};

use crate::automaton::{decided_ops, spelt_ops, spelt_test};
use crate::compare::Names;
use crate::model::Shape;
use crate::shown::shown;

use super::Below;

/// How many lines are written out that decide below a path.
const WRITTEN_OUT: usize = 10;

/// What decides at one path.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    image: &'a ValidImage,
    path: Vec<u8>,
    state: State,
    nodes: usize,
    subjects: Vec<Subjects>,
    others: Vec<RuleInfo<'a>>,
    below: Below,
}

/// Classes that one cell is for.
#[derive(Clone, Debug)]
struct Subjects {
    who: Vec<String>,
    /// The cell, as finely as rules are told apart.
    cell: u32,
}

/// Operations that are always decided alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    /// How.
    pub(super) verdict: Verdict,
    /// The operations.
    pub(super) ops: OpSet,
    /// The rule that says so; `None` for a default, or where that is not known.
    pub(super) rule: Option<u32>,
    /// The error of a denial.
    pub(super) errno: Option<Errno>,
}

/// What `cell` says of operations whose decision depends on nothing else, by `rule`.
pub(super) fn decided(image: &ValidImage, cell: &Cell, rule: impl Fn(Op) -> Option<u32>) -> Vec<Decided> {
    let shape = if image.is_boesfs() { Shape::Boesfs } else { Shape::Casbin };
    let mut found: Vec<Decided> = Vec::new();
    for op in decided_ops(shape).difference(OpSet::from_bits(cell.depend)).iter() {
        let has = |mask: u32| OpSet::from_bits(mask).contains(op);
        let verdict = if has(cell.deny) { Verdict::Deny } else { Verdict::Allow };
        let code = u8::from(has(cell.errno_low)) | u8::from(has(cell.errno_high)) << 1;
        let errno = (verdict == Verdict::Deny).then(|| Errno::from_code(code));
        let rule = rule(op);
        match found
            .iter_mut()
            .find(|known| (known.verdict, known.rule, known.errno) == (verdict, rule, errno))
        {
            Some(known) => known.ops = known.ops.with(op),
            None => found.push(Decided { verdict, ops: OpSet::EMPTY.with(op), rule, errno }),
        }
    }
    found
}

/// The rules that decide something in cell `number`, of those that tell rules apart.
pub(super) fn deciding(image: &ValidImage, number: u32) -> Vec<u32> {
    let named = image.named();
    let cell = named.cell(number);
    let masked = decided(image, &cell, |op| named.rule(number, op));
    let mut rules: Vec<u32> = masked.into_iter().filter_map(|decided| decided.rule).collect();
    let lines = image.entries(cell.first, cell.first_count);
    rules.extend(lines.filter_map(|(entry, _)| named.entry_rule(number, entry)));
    rules
}

/// Who decides, in words: a rule by its line and text where the image has them.
pub(super) fn decider(image: &ValidImage, rule: Option<u32>) -> String {
    let Some(rule) = rule else {
        return if image.debug().is_some() { "by default" } else { "by a rule or by default" }.to_owned();
    };
    match image.debug().and_then(|debug| debug.rules.get(rule as usize)) {
        Some(info) => format!("by {}", line(&info)),
        None => format!("by rule {rule}"),
    }
}

fn line(rule: &RuleInfo<'_>) -> String {
    let file = if rule.file == 0 { "" } else { " of the model" };
    let id = if rule.id == rule.line.to_string() { String::new() } else { format!(" ({})", rule.id) };
    format!("line {}{file}{id}: {}", rule.line, rule.text.trim())
}

/// A line of a list in words.
pub(super) fn entry_words(image: &ValidImage, entry: &Entry) -> String {
    let ops = OpSet::from_bits(entry.ops);
    let tests: Vec<String> =
        image.tests(entry).map(|test| format!(" [{}]", spelt_test(&test, ops))).collect();
    let verdict = if entry.deny == 1 {
        format!("deny ({})", Errno::from_code(entry.errno).name())
    } else {
        "allow".to_owned()
    };
    format!("{}{}: {verdict}", spelt_ops(ops), tests.concat())
}

/// Who decides by a line of a list, in words.
fn entry_decider(image: &ValidImage, rule: Option<u32>, entry: &Entry) -> String {
    match rule {
        rule @ Some(_) => decider(image, rule),
        None if entry.by_default == 1 => "by default".to_owned(),
        None => "by a rule".to_owned(),
    }
}

impl<'a> Place<'a> {
    /// What decides in `image` at `path`, which is canonical.
    #[must_use]
    pub fn at(image: &'a ValidImage, path: &[u8]) -> Self {
        let mut state = image.path_start();
        let mut nodes = 1;
        for byte in path {
            let next = image.step(state, *byte);
            nodes += usize::from(next.node != state.node);
            state = next;
        }
        let mut cells: BTreeMap<u32, Vec<ClassId>> = BTreeMap::new();
        let named = image.named();
        let row = named.label(named.walk(named.start(), path));
        for class in image.classes() {
            if let Some(cell) = named.cell_number(row, class) {
                cells.entry(cell).or_default().push(class);
            }
        }
        let names = Names::of(image);
        let subjects = cells.into_iter().map(|(cell, classes)| Subjects { who: names.words(&classes), cell });
        Self {
            image,
            path: path.to_vec(),
            state,
            nodes,
            subjects: subjects.collect(),
            others: Vec::new(),
            below: Below::of(image, path),
        }
    }

    /// Adds rules, by index, whose paths this one is among: those that decide nothing here are told too.
    #[must_use]
    pub fn with_rules(mut self, rules: &[u32]) -> Self {
        let Some(debug) = self.image.debug() else { return self };
        let deciding: BTreeSet<u32> =
            self.subjects.iter().flat_map(|subjects| deciding(self.image, subjects.cell)).collect();
        let others = rules.iter().filter(|rule| !deciding.contains(rule));
        self.others = others.filter_map(|rule| debug.rules.get(*rule as usize)).collect();
        self
    }

    /// The place as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let names = |ops: OpSet| ops.iter().map(|op| op.name()).collect::<Vec<_>>();
        let told = |rule: &RuleInfo<'_>| json!({"id": rule.id, "line": rule.line, "file": rule.file, "text": rule.text});
        let rule = |rule: Option<u32>| {
            let found = rule.and_then(|rule| self.image.debug()?.rules.get(rule as usize));
            found.map_or(Value::Null, |rule| told(&rule))
        };
        let subjects = self.subjects.iter().map(|subjects| {
            let named = self.image.named();
            let cell = named.cell(subjects.cell);
            let masked = decided(self.image, &cell, |op| named.rule(subjects.cell, op));
            let always = masked.into_iter().map(|decided| {
                json!({
                    "decision": decided.verdict.to_string(),
                    "ops": names(decided.ops),
                    "errno": decided.errno.map(Errno::name),
                    "rule": rule(decided.rule),
                })
            });
            let first = self.image.entries(cell.first, cell.first_count).map(|(place, entry)| {
                let ops = OpSet::from_bits(entry.ops);
                let verdict = if entry.deny == 1 { Verdict::Deny } else { Verdict::Allow };
                json!({
                    "decision": verdict.to_string(),
                    "ops": names(ops),
                    "tests": self.image.tests(&entry).map(|test| spelt_test(&test, ops)).collect::<Vec<_>>(),
                    "rule": rule(named.entry_rule(subjects.cell, place)),
                })
            });
            json!({
                "who": subjects.who,
                "cell": named.blob_cell(subjects.cell),
                "always": always.collect::<Vec<_>>(),
                "first": first.collect::<Vec<_>>(),
            })
        });
        json!({
            "path": shown(&self.path),
            "node": self.state.node,
            "inside": self.state.inside,
            "nodes": self.nodes,
            "row": self.image.label(self.state),
            "settled": self.image.is_sink(self.state),
            "below": {
                "uniform": self.below.uniform,
                "may_deny": names(self.below.may_deny),
                "rules": self.below.rules.iter().map(|number| rule(Some(*number))).collect::<Vec<_>>(),
            },
            "subjects": subjects.collect::<Vec<_>>(),
            "others": self.others.iter().map(told).collect::<Vec<_>>(),
        })
    }
}

impl Place<'_> {
    /// What can be decided below.
    fn below(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Below { uniform, may_deny, rules } = &self.below;
        let alike = if *uniform { ", all of it as here" } else { "" };
        writeln!(f, "\nhere or below can be denied: {}{alike}", spelt_ops(*may_deny))?;
        for rule in rules.iter().take(WRITTEN_OUT) {
            writeln!(f, "  below {}", decider(self.image, Some(*rule)))?;
        }
        match rules.len().checked_sub(WRITTEN_OUT + 1) {
            Some(more) => writeln!(f, "  and by {} more", more + 1),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { node, inside } = self.state;
        write!(f, "{}: node {node}", shown(&self.path))?;
        if inside > 0 {
            write!(f, ", {inside} bytes into its chain")?;
        }
        write!(f, ", {} nodes read, row {}", self.nodes, self.image.label(self.state))?;
        writeln!(
            f,
            "{}",
            if self.image.is_sink(self.state) { ", the same for everything that follows" } else { "" }
        )?;
        for Subjects { who, cell } in &self.subjects {
            let named = self.image.named();
            writeln!(f, "\n{}, cell {}:", who.join(", "), named.blob_cell(*cell))?;
            let of_blob = named.cell(*cell);
            let masked = decided(self.image, &of_blob, |op| named.rule(*cell, op));
            for Decided { verdict, ops, rule, errno } in masked {
                let errno = errno.map(|errno| format!(" ({})", errno.name())).unwrap_or_default();
                writeln!(f, "  {verdict}{errno} {}", spelt_ops(ops))?;
                writeln!(f, "    {}", decider(self.image, rule))?;
            }
            if of_blob.first_count > 0 {
                writeln!(f, "  {}: the first that holds", spelt_ops(OpSet::from_bits(of_blob.depend)))?;
            }
            for (place, entry) in self.image.entries(of_blob.first, of_blob.first_count) {
                let by = entry_decider(self.image, named.entry_rule(*cell, place), &entry);
                writeln!(f, "    {} {by}", entry_words(self.image, &entry))?;
            }
        }
        self.below(f)?;
        if !self.others.is_empty() {
            writeln!(f, "\nalso about this path, and deciding nothing here:")?;
        }
        self.others.iter().try_for_each(|rule| writeln!(f, "  {}", line(rule)))
    }
}
