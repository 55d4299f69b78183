//! States, tables and header: nothing is there that nothing leads to, and what the header says is so.

use boesfs_abi::hooks::HOOKS;
use boesfs_abi::image::{State, ValidImage};
use boesfs_abi::layout::{CONDITION_TEXT, FLAG_HIDES};
use boesfs_abi::op::{MAX_ARGS, Op, OpSet};

use crate::automaton::spelt_ops;

/// A node, and where it leads.
struct Reached {
    reference: u32,
    label: u32,
    is_sink: bool,
    states: usize,
    targets: Vec<u32>,
}

impl Reached {
    fn new(image: &ValidImage, reference: u32) -> Self {
        let mut state = State { node: reference, inside: 0 };
        let (mut states, mut targets) = (0, Vec::new());
        loop {
            let (own, other) = image.edges(state);
            states += 1;
            targets.push(other.node);
            targets.extend(own.iter().filter(|(_, to)| to.inside == 0).map(|(_, to)| to.node));
            match own.iter().find(|(_, to)| to.inside > 0) {
                Some((_, inside)) => state = *inside,
                None => break,
            }
        }
        targets.sort_unstable();
        targets.dedup();
        let start = State { node: reference, inside: 0 };
        Self { reference, label: image.label(start), is_sink: image.is_sink(start), states, targets }
    }
}

/// All nodes that `starts` lead to, by reference.
fn graph(image: &ValidImage, starts: &[u32]) -> Vec<Reached> {
    let mut seen = vec![false; image.blob().len() / 8];
    let mut todo = starts.to_vec();
    let mut graph = Vec::new();
    while let Some(reference) = todo.pop() {
        if !std::mem::replace(&mut seen[reference as usize], true) {
            let reached = Reached::new(image, reference);
            todo.extend_from_slice(&reached.targets);
            graph.push(reached);
        }
    }
    graph.sort_unstable_by_key(|reached| reached.reference);
    graph
}

/// Where the automata of paths and, if there is one, of texts start.
fn starts(image: &ValidImage) -> Vec<u32> {
    let texts = image.header().text_start;
    [Some(image.path_start().node), (texts != 0).then_some(texts)].into_iter().flatten().collect()
}

/// Whether a state that no input leaves is one in which nothing else can be decided any more, and there is no other such
/// state: the fact that everything below is decided alike is as true as it can be.
pub(super) fn states(image: &ValidImage) -> Result<String, String> {
    let graph = graph(image, &starts(image));
    let last = graph.last().map_or(0, |last| last.reference as usize + 1);
    let mut place = vec![usize::MAX; last];
    graph.iter().enumerate().for_each(|(at, reached)| place[reached.reference as usize] = at);
    // The edges by where they lead, to find what is before a node.
    let edges = graph.iter().enumerate();
    let edges = edges.flat_map(|(from, reached)| reached.targets.iter().map(move |to| (*to, from)));
    let mut edges: Vec<(usize, usize)> = edges.map(|(to, from)| (place[to as usize], from)).collect();
    edges.sort_unstable();
    let other_label = |reached: &Reached| {
        reached.targets.iter().any(|to| graph[place[*to as usize]].label != reached.label)
    };
    let mut varied: Vec<bool> = graph.iter().map(other_label).collect();
    let mut todo: Vec<usize> = (0..graph.len()).filter(|at| varied[*at]).collect();
    while let Some(at) = todo.pop() {
        let first = edges.partition_point(|(to, _)| *to < at);
        for &(_, from) in edges[first..].iter().take_while(|(to, _)| *to == at) {
            if !std::mem::replace(&mut varied[from], true) {
                todo.push(from);
            }
        }
    }
    let (mut states, mut sinks) = (0, 0);
    for (reached, varied) in graph.iter().zip(&varied) {
        states += reached.states;
        sinks += usize::from(reached.is_sink);
        if reached.is_sink == *varied {
            let what = if reached.is_sink { "a sink, and more is" } else { "no sink, and nothing more is" };
            return Err(format!("node {} is {what} decided below it", reached.reference));
        }
    }
    Ok(format!(
        "{states} in {} nodes, all of them reached; below the {sinks} sinks and no other all is decided alike",
        graph.len()
    ))
}

/// Whether every line of a table is named by something that decides.
pub(super) fn used(image: &ValidImage) -> Result<String, String> {
    let header = image.header();
    let mut rows = vec![false; header.row_count as usize];
    let mut texts = vec![false; header.text_count as usize];
    mark(image, header.path_start, &mut rows);
    if header.text_start != 0 {
        mark(image, header.text_start, &mut texts);
    }
    let mut cells = vec![false; header.cell_count as usize];
    for row in 0..header.row_count {
        let of_row = image.classes().filter_map(|class| image.cell_number(row, class));
        of_row.for_each(|cell| cells[cell as usize] = true);
    }
    let mut sets = vec![false; header.set_count as usize];
    for (_, entry) in image.entries(0, header.entry_count) {
        let of_texts = image.tests(&entry).filter(|test| test.condition == CONDITION_TEXT);
        of_texts.for_each(|test| sets[test.set as usize] = true);
    }
    let mut classes = vec![false; header.class_count as usize];
    image.subjects().classes.iter().for_each(|class| classes[class.0 as usize] = true);
    let tables =
        [("row", &rows), ("cell", &cells), ("text set", &sets), ("text class", &texts), ("class", &classes)];
    for (what, used) in tables {
        if let Some(number) = used.iter().position(|used| !used) {
            return Err(format!("{what} {number} is nothing's"));
        }
    }
    Ok(format!(
        "{} rows, {} cells, {} list lines, {} tests, {} classes, all of them named",
        rows.len(),
        cells.len(),
        header.entry_count,
        header.test_count,
        classes.len()
    ))
}

/// Marks the labels of all nodes that `start` leads to.
fn mark(image: &ValidImage, start: u32, labels: &mut [bool]) {
    for reached in graph(image, &[start]) {
        labels[reached.label as usize] = true;
    }
}

/// Whether the header says of operations exactly what cells and lists do: the hooks follow from that.
pub(super) fn header(image: &ValidImage) -> Result<String, String> {
    let header = image.header();
    let (mut denies, mut depends) = (OpSet::EMPTY, OpSet::EMPTY);
    for cell in (0..header.cell_count).map(|number| image.cell(number)) {
        denies = denies.union(OpSet::from_bits(cell.deny | cell.depend));
        depends = depends.union(OpSet::from_bits(cell.depend));
    }
    // Those that are judged as another.
    let mut judged_as = vec![(Op::Lookup2, Op::Lookup)];
    if image.is_boesfs() {
        judged_as.extend([(Op::Exec, Op::Open), (Op::Ioctl, Op::Setattr)]);
    }
    for (op, other) in judged_as {
        if denies.contains(other) {
            denies = denies.with(op);
        }
    }
    let of_args = image
        .entries(0, header.entry_count)
        .filter(|(_, entry)| image.tests(entry).any(|test| usize::from(test.field) < MAX_ARGS));
    let tests = of_args.fold(OpSet::EMPTY, |ops, (_, entry)| ops.union(OpSet::from_bits(entry.ops)));
    for (what, says, is) in [
        ("may be denied", header.may_deny, denies),
        ("depends on fields", header.may_depend, depends),
        ("has arguments that are tested", header.tests_args, tests),
    ] {
        if says != is.bits() {
            let says = spelt_ops(OpSet::from_bits(says));
            return Err(format!("it says that {says} {what}, and it is {}", spelt_ops(is)));
        }
    }
    if (header.flags & FLAG_HIDES != 0) != denies.contains(Op::Lookup) {
        return Err("it does not say whether names can be hidden".to_owned());
    }
    let needed = HOOKS.iter().filter(|hook| hook.needed(image)).count();
    Ok(format!("may deny {}; {needed} of {} programs are needed at hooks", spelt_ops(denies), HOOKS.len()))
}
