//! What an image holds, for people and programs.

use std::collections::BTreeSet;

use boesfs_abi::hooks::{HOOKS, Hook, Need};
use boesfs_abi::image::{Signed, ValidImage};
use boesfs_abi::layout::{NODE_BRANCH, NODE_CHAIN, NODE_TABLE, Node};
use boesfs_abi::memory::{MapMemory, maps};
use boesfs_abi::op::OpSet;
use serde_json::{Value, json};

use crate::shown::shown;

use super::Cost;

/// What an image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The policy's id in hexadecimal.
    pub id: String,
    /// Who vouches for it and as what, if it is signed.
    pub signed: Option<Signed>,
    /// Whether it is in `BoesFS`'s shape.
    pub boesfs: bool,
    /// The parts of the decision part and their sizes, in their order.
    pub sections: Vec<SectionSize>,
    /// Bytes of the decision part.
    pub blob_bytes: usize,
    /// States of the automata, those within chains included.
    pub states: usize,
    /// Nodes that are chains.
    pub chains: usize,
    /// Nodes that are branches.
    pub branches: usize,
    /// Nodes that no input leaves.
    pub sinks: usize,
    /// Different rows.
    pub rows: usize,
    /// Different cells.
    pub cells: usize,
    /// Lines of decision lists.
    pub entries: usize,
    /// Tests.
    pub tests: usize,
    /// Subject classes.
    pub classes: usize,
    /// Texts by which subjects are told apart.
    pub subjects: usize,
    /// Domains that are told apart.
    pub domains: usize,
    /// Rules, if the image carries its section for people.
    pub rules: Option<usize>,
    /// Operations that can be denied to somebody somewhere.
    pub may_deny: OpSet,
    /// Operations whose decision depends on arguments or the caller somewhere.
    pub may_depend: OpSet,
    /// The LSM hooks at which a program is attached for any policy.
    pub lsm_hooks_always: BTreeSet<&'static str>,
    /// The LSM hooks at which one is attached for what this policy can deny.
    pub lsm_hooks: BTreeSet<&'static str>,
    /// Operations that a plane which cannot see them may leave unjudged.
    pub accepted: OpSet,
    /// The maps of the lsm plane.
    pub maps: Vec<MapMemory>,
    /// What the dearest decision costs.
    pub cost: Cost,
    /// Whether names can be hidden.
    pub hides: bool,
    /// The sandbox is killed at this many denials.
    pub kill_after: Option<u64>,
}

/// A part of the decision part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionSize {
    /// Its name.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: usize,
}

impl Summary {
    /// What `image` holds.
    #[must_use]
    pub fn of(image: &ValidImage) -> Self {
        let header = image.header();
        let mut sections = vec![SectionSize { name: "header", bytes: header.nodes_off as usize }];
        let bounds = [
            ("nodes", header.nodes_off),
            ("rows", header.rows_off),
            ("cells", header.cells_off),
            ("lists", header.entries_off),
            ("tests", header.tests_off),
            ("text sets", header.sets_off),
            ("gains", header.gains_off),
            ("end", header.blob_len),
        ];
        sections.extend(bounds.windows(2).map(|pair| SectionSize {
            name: pair[0].0,
            bytes: pair[1].1.saturating_sub(pair[0].1) as usize,
        }));
        let (mut states, mut chains, mut branches, mut sinks) = (0, 0, 0, 0);
        for (_, node, _) in nodes(image) {
            match node.kind {
                NODE_CHAIN => {
                    chains += 1;
                    states += usize::from(node.len);
                }
                NODE_BRANCH | NODE_TABLE => {
                    branches += 1;
                    states += 1;
                }
                _ => {
                    sinks += 1;
                    states += 1;
                }
            }
        }
        Self {
            id: image.id_hex(),
            signed: image.signed().cloned(),
            boesfs: image.is_boesfs(),
            sections,
            blob_bytes: image.blob().len(),
            states,
            chains,
            branches,
            sinks,
            rows: header.row_count as usize,
            cells: header.cell_count as usize,
            entries: header.entry_count as usize,
            tests: header.test_count as usize,
            classes: header.class_count as usize,
            subjects: image.subjects().literals.len(),
            domains: image.subjects().domains.len(),
            rules: image.debug().map(|debug| debug.rules.len()),
            may_deny: image.may_deny(),
            may_depend: OpSet::from_bits(header.may_depend),
            lsm_hooks_always: hooks(|hook| matches!(hook.need, Need::Always)),
            lsm_hooks: hooks(|hook| !matches!(hook.need, Need::Always) && hook.needed(image)),
            accepted: OpSet::from_bits(header.accepted),
            maps: maps(image),
            cost: Cost::of(image),
            hides: image.hides(),
            kill_after: image.kill_after(),
        }
    }

    /// Bytes of the lsm plane's maps on a machine with `cpus` processors.
    #[must_use]
    pub fn kernel_bytes(&self, cpus: usize) -> usize {
        self.maps.iter().map(|map| map.bytes(cpus)).sum()
    }

    /// The summary as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let names = |ops: OpSet| ops.iter().map(|op| op.name()).collect::<Vec<_>>();
        let sections: serde_json::Map<String, Value> =
            self.sections.iter().map(|section| (section.name.to_owned(), section.bytes.into())).collect();
        json!({
            "id": self.id,
            "signed": self.signed.as_ref().map(|signed| json!({
                "release": signed.release.name(),
                "revision": signed.release.revision(),
                "key": signed.key.to_hex(),
            })),
            "shape": if self.boesfs { "boesfs" } else { "casbin" },
            "sections": sections,
            "blob_bytes": self.blob_bytes,
            "states": self.states,
            "nodes": {"chains": self.chains, "branches": self.branches, "sinks": self.sinks},
            "rows": self.rows,
            "cells": self.cells,
            "entries": self.entries,
            "tests": self.tests,
            "classes": self.classes,
            "subjects": self.subjects,
            "domains": self.domains,
            "rules": self.rules,
            "may_deny": names(self.may_deny),
            "may_depend": names(self.may_depend),
            "lsm_hooks": self.lsm_hooks,
            "lsm_hooks_always": self.lsm_hooks_always,
            "accepted": names(self.accepted),
            "kernel_memory": {
                "bytes": self.kernel_bytes(0),
                "bytes_per_cpu": self.kernel_bytes(1) - self.kernel_bytes(0),
                "maps": self.maps.iter().map(|map| json!({
                    "name": map.name,
                    "element_bytes": map.element,
                    "elements": map.elements,
                    "per_cpu": map.per_cpu,
                })).collect::<Vec<_>>(),
            },
            "worst_path": {
                "nodes": self.cost.nodes,
                "path": shown(&self.cost.path),
                "loops": self.cost.loops,
            },
            "worst_lists": {
                "lines": self.cost.lines,
                "tests": self.cost.tests,
                "cell": self.cost.cell,
            },
            "hides": self.hides,
            "kill_after": self.kill_after,
        })
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |ops: OpSet| crate::automaton::spelt_ops(ops);
        writeln!(f, "policy      {}", self.id)?;
        if let Some(Signed { release, key }) = &self.signed {
            let (name, revision) = (release.name(), release.revision());
            writeln!(f, "signed      as `{name}` revision {revision}, by key {}", key.to_hex())?;
        }
        writeln!(f, "shape       {}", if self.boesfs { "boesfs" } else { "casbin" })?;
        if let Some(rules) = self.rules {
            writeln!(f, "rules       {rules}")?;
        }
        writeln!(
            f,
            "subjects    {} classes, told apart by {} names and {} domains",
            self.classes, self.subjects, self.domains
        )?;
        writeln!(
            f,
            "automata    {} states in {} chains, {} branches, {} sinks",
            self.states, self.chains, self.branches, self.sinks
        )?;
        writeln!(
            f,
            "tables      {} rows, {} cells, {} list lines, {} tests",
            self.rows, self.cells, self.entries, self.tests
        )?;
        let sizes: Vec<String> =
            self.sections.iter().map(|section| format!("{} {}", section.name, section.bytes)).collect();
        writeln!(f, "bytes       {}: {}", self.blob_bytes, sizes.join(", "))?;
        writeln!(f, "may deny    {}", names(self.may_deny))?;
        writeln!(f, "by fields   {}", names(self.may_depend))?;
        if !self.accepted.is_empty() {
            writeln!(f, "unjudged    {} where a plane cannot see it", names(self.accepted))?;
        }
        let list = |hooks: &BTreeSet<&'static str>| hooks.iter().copied().collect::<Vec<_>>().join(" ");
        writeln!(f, "lsm hooks   {}", list(&self.lsm_hooks))?;
        writeln!(f, "and always  {}", list(&self.lsm_hooks_always))?;
        let total = self.kernel_bytes(0);
        writeln!(
            f,
            "kernel      {total} bytes of maps, {} of them the policy, and {} for each processor",
            self.maps.iter().find(|map| map.name == "policy").map_or(0, |map| map.bytes(0)),
            self.kernel_bytes(1) - total
        )?;
        let Cost { nodes, path, loops, lines, tests, cell } = &self.cost;
        let more = if *loops { ", then at most one for each byte" } else { "" };
        writeln!(f, "worst path  {nodes} nodes{more}: {}", shown(path))?;
        if let Some(cell) = cell {
            writeln!(f, "worst lists {lines} lines and {tests} tests, in cell {cell}")?;
        }
        writeln!(f, "hides names {}", if self.hides { "yes" } else { "no" })?;
        match self.kill_after {
            Some(count) => writeln!(f, "kills at    {count} denials"),
            None => writeln!(f, "kills at    never"),
        }
    }
}

/// The hooks of the lsm plane that are `wanted`.
fn hooks(wanted: impl Fn(&Hook) -> bool) -> BTreeSet<&'static str> {
    HOOKS.iter().filter(|hook| wanted(hook)).map(|hook| hook.hook).collect()
}

/// The nodes of an image in their order: reference, node, and the bytes after it.
pub(super) fn nodes(image: &ValidImage) -> impl Iterator<Item = (u32, Node, &[u8])> {
    let end = (image.header().nodes_off + image.header().nodes_len) as usize;
    let mut at = image.header().nodes_off as usize;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let word = |from: usize| {
            let bytes = image.blob()[at + from..at + from + 4].try_into();
            u32::from_le_bytes(bytes.expect("INVARIANT: four bytes"))
        };
        let [len_low, len_high, kind, low] = word(12).to_le_bytes();
        let len = u16::from_le_bytes([len_low, len_high]);
        let node = Node { label: word(0), other: word(4), next: word(8), len, kind, low };
        let bytes = usize::from(len).next_multiple_of(8);
        let extra = match kind {
            NODE_CHAIN => bytes,
            NODE_BRANCH => bytes + (usize::from(len) * 4).next_multiple_of(8),
            NODE_TABLE => (usize::from(len) * 4).next_multiple_of(8),
            _ => 0,
        };
        let reference = u32::try_from(at / 8).expect("INVARIANT: a blob is below 4 GiB");
        let tail = &image.blob()[at + size_of::<Node>()..at + size_of::<Node>() + extra];
        at += size_of::<Node>() + extra;
        Some((reference, node, tail))
    })
}
