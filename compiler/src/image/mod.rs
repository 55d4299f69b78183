//! The image: from [`Compiled`] to the bytes of `policy.bin`.
//!
//! Packs nodes, rows, cells, lists and tests as [`boesfs_abi::layout`] has them, adds the sections for subjects,
//! literals and people, and lets [`boesfs_abi::image`] put them into a file. This stage decides nothing.

mod below;
mod check;
mod cost;
mod dump;
mod emit;
mod gains;
mod inspect;
mod nodes;
mod origins;
mod place;
mod room;
mod tables;
mod wire;

pub use below::Below;
pub use check::{Checked, check};
pub use cost::Cost;
pub use dump::dump;
pub use emit::{c_header, json_value, rust_module};
pub use inspect::{SectionSize, Summary};
pub use place::Place;
pub use room::fits;

use boesfs_abi::image::{self, Debug, ImageError, Literal, Parts, RuleInfo, Rules, ValidImage};
use boesfs_abi::layout::{
    ABI_VERSION, BLOB_MAGIC, FLAG_ANONYMOUS_EXEC, FLAG_BOESFS, FLAG_ENTRY_SUBJECT, FLAG_HIDES,
    FLAG_MOVES_JUDGED, MAX_BLOB, MAX_ITEMS, PolicyHeader,
};
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::plane::Plane;
use boesfs_abi::verdict::Effect;

use crate::automaton::{Compiled, Decisions};
use crate::jobs;
use crate::lint;
use crate::model::{Moves, Shape, SubjectMode};
use crate::rules::RuleSet;

use tables::Tables;
use wire::Bytes;

/// Why no image could be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The decision part is too large.
    #[error("the image's decision part needs {needed} bytes, limit is {limit}")]
    TooLarge {
        /// Bytes it needs.
        needed: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A table has too many lines.
    #[error("the image needs {needed} {what}, limit is {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it needs.
        needed: usize,
        /// How many there may be.
        limit: usize,
    },
    /// What was made is refused where images are read.
    #[error(transparent)]
    Refused(#[from] ImageError),
}

/// The image file of `compiled`, which was made from `rules`. Its sections for people can be taken away by
/// [`boesfs_abi::image::strip`]. Equal inputs give equal bytes.
///
/// # Errors
/// [`PackError`] if a limit of the format is exceeded.
pub fn pack(compiled: &Compiled, rules: &RuleSet) -> Result<Vec<u8>, PackError> {
    Ok(pack_decisions(compiled, &Decisions::new(compiled), rules)?.0)
}

/// As [`pack`], of a policy whose decisions are known, with what was read back from the file.
///
/// # Errors
/// As [`pack`].
pub fn pack_decisions(
    compiled: &Compiled,
    decisions: &Decisions,
    rules: &RuleSet,
) -> Result<(Vec<u8>, ValidImage), PackError> {
    Ok(image::encode_read_back(parts(compiled, decisions, rules)?, jobs::count() > 1)?)
}

/// What the image of `compiled` is made of.
///
/// # Errors
/// As [`pack`].
pub fn parts(compiled: &Compiled, decisions: &Decisions, rules: &RuleSet) -> Result<Parts, PackError> {
    Ok(Parts {
        blob: blob(compiled, decisions, rules)?,
        subjects: compiled.subjects.clone(),
        literals: literals(rules),
        debug: Some(debug(compiled, decisions, rules)),
    })
}

/// The image of `compiled`, read back.
///
/// # Errors
/// As [`pack`].
pub fn packed(compiled: &Compiled, rules: &RuleSet) -> Result<ValidImage, PackError> {
    Ok(pack_decisions(compiled, &Decisions::new(compiled), rules)?.1)
}

/// Operations some plane cannot see that rules deny where nothing else does, if all of those rules accept that.
fn accepted(compiled: &Compiled, rules: &RuleSet) -> OpSet {
    let unseen = Plane::ALL.into_iter().flat_map(Plane::unseen).map(|(op, _)| op);
    let accepts = |rule: &u32| lint::accepts_unenforced(&rules.rules[*rule as usize].annotations);
    let accepted = |op: &Op| {
        let denials = compiled.denials_to_accept(rules, *op);
        !denials.is_empty() && denials.iter().all(accepts)
    };
    unseen.filter(accepted).fold(OpSet::EMPTY, OpSet::with)
}

fn blob(compiled: &Compiled, decisions: &Decisions, rules: &RuleSet) -> Result<Vec<u8>, PackError> {
    let count = |what: &'static str, needed: usize| match u32::try_from(needed) {
        Ok(count) if count <= MAX_ITEMS => Ok(count),
        _ => Err(PackError::TooMany { what, needed, limit: MAX_ITEMS as usize }),
    };
    // Many subjects that are all told apart come to more than there is memory to find it out by.
    count("cells in rows", decisions.rows.len().saturating_mul(compiled.class_count as usize))?;
    let tables = Tables::new(compiled, decisions);
    let nodes_off = size_of::<PolicyHeader>();
    let mut body = Bytes(nodes::pack(&decisions.paths, nodes_off));
    let offset = |body: &Bytes| nodes_off + body.0.len();
    let texts = if tables.sets.is_empty() { None } else { compiled.texts.dfa.as_ref() };
    let text_start = texts.map_or(0, |_| offset(&body) / 8);
    if let Some(texts) = texts {
        body.0.extend(nodes::pack(texts, offset(&body)));
    }
    let nodes_len = body.0.len();

    let rows_off = offset(&body);
    body.words(decisions.rows.rows().flat_map(|row| decisions.rows.row(row)));
    body.align();
    let cells_off = offset(&body);
    tables.cells.iter().for_each(|cell| body.cell(cell));
    let entries_off = offset(&body);
    tables.entries.iter().for_each(|entry| body.entry(entry));
    let tests_off = offset(&body);
    tables.tests.iter().for_each(|test| body.test(test));
    let sets_off = offset(&body);
    body.words(tables.sets.iter().flat_map(|set| set.0.iter().copied()));
    body.align();
    let gains_off = offset(&body);
    body.words(tables.gains.iter().copied());
    body.align();

    let blob_len = offset(&body);
    if blob_len > MAX_BLOB as usize {
        return Err(PackError::TooLarge { needed: blob_len, limit: MAX_BLOB as usize });
    }
    let at = |offset: usize| u32::try_from(offset).expect("INVARIANT: below MAX_BLOB");
    let header = PolicyHeader {
        magic: BLOB_MAGIC,
        version: ABI_VERSION,
        blob_len: at(blob_len),
        flags: flags(compiled, rules),
        may_deny: compiled.may_deny().bits(),
        may_depend: compiled.may_depend().bits(),
        tests_args: tables.tests_args.bits(),
        class_count: count("subject classes", compiled.class_count as usize)?,
        kill_after: rules.options.kill_after.unwrap_or(0),
        path_start: at(nodes_off / 8),
        text_start: at(text_start),
        nodes_off: at(nodes_off),
        nodes_len: at(nodes_len),
        rows_off: at(rows_off),
        row_count: count("rows", decisions.rows.len())?,
        cells_off: at(cells_off),
        cell_count: count("cells", tables.cells.len())?,
        entries_off: at(entries_off),
        entry_count: count("list lines", tables.entries.len())?,
        tests_off: at(tests_off),
        test_count: count("tests", tables.tests.len())?,
        sets_off: at(sets_off),
        set_count: count("text sets", tables.sets.len())?,
        text_count: if texts.is_some() {
            count("text classes", compiled.texts.classes.count as usize)?
        } else {
            0
        },
        gains_off: at(gains_off),
        list_count: tables.list_count,
        accepted: accepted(compiled, rules).bits(),
        reserved2: [0; 2],
    };
    debug_assert!(
        room::most(compiled, decisions) >= blob_len,
        "INVARIANT(room): no blob is larger than foreseen"
    );
    let mut blob = Bytes::default();
    blob.header(&header);
    blob.0.append(&mut body.0);
    Ok(blob.0)
}

fn flags(compiled: &Compiled, rules: &RuleSet) -> u32 {
    let hides = compiled.may_deny().contains(Op::Lookup);
    [
        (FLAG_BOESFS, rules.shape == Shape::Boesfs),
        (FLAG_ENTRY_SUBJECT, rules.options.subject == SubjectMode::Entry),
        (FLAG_MOVES_JUDGED, rules.options.moves == Moves::Judged),
        (FLAG_ANONYMOUS_EXEC, rules.options.anonymous_exec == Effect::Allow),
        (FLAG_HIDES, hides),
    ]
    .into_iter()
    .filter(|(_, set)| *set)
    .fold(0, |flags, (flag, _)| flags | flag)
}

fn literals(rules: &RuleSet) -> Vec<Literal> {
    rules
        .rules
        .iter()
        .zip(0u32..)
        .filter_map(|(rule, id)| Some(Literal { effect: rule.eft, rule: id, path: rules.literal(rule)? }))
        .collect()
}

fn debug(compiled: &Compiled, decisions: &Decisions, rules: &RuleSet) -> Debug {
    let mut infos = Rules::default();
    for rule in &rules.rules {
        let line;
        let id = match &rule.annotations.id {
            Some(id) => id,
            None => {
                line = rule.line.to_string();
                &line
            }
        };
        infos.push(&RuleInfo {
            id,
            line: rule.line,
            file: rule.file,
            effect: rule.eft,
            level: rule.annotations.level,
            text: &rule.text,
            reason: rule.annotations.reason.as_deref().unwrap_or_default(),
        });
    }
    Debug { rules: infos, origins: origins::origins(compiled, decisions) }
}
