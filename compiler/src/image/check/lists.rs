//! Decision lists: the ordered one and the boxes say the same, and the gain table follows from the boxes.

use boesfs_abi::image::{State, ValidImage};
use boesfs_abi::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, Cell, Entry, FIELD_COUNT, FIELD_KIND, Test,
};
use boesfs_abi::op::{MAX_ARGS, Op, OpSet};
use boesfs_abi::request::Kind;
use hashbrown::{HashMap, HashSet};

use crate::automaton::{Canonical, FieldBox, TextClasses, TextSet};

/// The most requests that one list is asked about one operation.
const MOST_ASKED: usize = 4096;
/// The most pairs of boxes that are compared.
const MOST_PAIRS: usize = 16_000_000;

/// One of a cell's lists: where it begins, and how many lines it has.
type Range = (u32, u32);

/// Cells with lists, each list once.
fn listed(image: &ValidImage) -> Vec<Cell> {
    let mut seen = HashSet::new();
    let cells = (0..image.header().cell_count).map(|number| image.cell(number));
    let ranges = |cell: &Cell| -> [Range; 3] {
        [(cell.first, cell.first_count), (cell.denies, cell.denies_count), (cell.allows, cell.allows_count)]
    };
    cells.filter(|cell| cell.depend != 0 && seen.insert((cell.depend, ranges(cell)))).collect()
}

/// Whether the first line that holds denies exactly where a box of denials does, and allows where one of what is
/// allowed does: asked at all values on both sides of every test.
pub(super) fn agree(image: &ValidImage) -> Result<String, String> {
    let (mut asked, mut lists, mut left_out) = (0usize, 0usize, false);
    for cell in listed(image) {
        lists += 1;
        for op in OpSet::from_bits(cell.depend).iter() {
            let list = |from, count| -> Vec<(Entry, Vec<Test>)> {
                let entries = image.entries(from, count).map(|(_, entry)| entry);
                let of_op = entries.filter(|entry| OpSet::from_bits(entry.ops).contains(op));
                of_op.map(|entry| (entry, image.tests(&entry).collect())).collect()
            };
            let first = list(cell.first, cell.first_count);
            let boxes = [list(cell.denies, cell.denies_count), list(cell.allows, cell.allows_count)];
            let tests = first.iter().chain(&boxes[0]).chain(&boxes[1]).flat_map(|(_, tests)| tests);
            let values = values(image, op, &tests.copied().collect::<Vec<_>>());
            let all: usize = values.iter().map(Vec::len).fold(1, usize::saturating_mul);
            // Where there are too many, those that are asked are spread over all.
            let step = all.div_ceil(MOST_ASKED).max(1) | 1;
            left_out |= step > 1;
            for number in (0..all).step_by(step) {
                let request = request(&values, number);
                let holds = |(_, tests): &&(Entry, Vec<Test>)| {
                    tests.iter().all(|test| holds(image, test, request[usize::from(test.field)]))
                };
                let denied = first.iter().find(holds).map(|(entry, _)| entry.deny == 1);
                let boxed =
                    [boxes[0].iter().any(|line| holds(&line)), boxes[1].iter().any(|line| holds(&line))];
                asked += 1;
                let agree = denied.is_some_and(|denied| boxed == [denied, !denied]);
                if !agree {
                    return Err(format!(
                        "the lists of a cell say different things of `{op}`, at {request:?}"
                    ));
                }
            }
        }
    }
    let of = if left_out { "some" } else { "all" };
    Ok(format!(
        "{lists}, whose first lines and boxes agree on {of} requests at the edges of their tests: {asked}"
    ))
}

/// Values of each field on either side of every test; `None` is an argument that is absent.
fn values(image: &ValidImage, op: Op, tests: &[Test]) -> Vec<Vec<Option<u64>>> {
    let of_field = |field: u8| {
        let mut values = Vec::new();
        for test in tests.iter().filter(|test| test.field == field) {
            match test.condition {
                CONDITION_BETWEEN => {
                    let beside = [test.a.checked_sub(1), Some(test.a), Some(test.b), test.b.checked_add(1)];
                    values.extend(beside.into_iter().flatten());
                }
                CONDITION_ANY_BIT => values.extend([0, test.a, !test.a, test.a & test.a.wrapping_neg()]),
                CONDITION_KIND => values.extend(Kind::ALL.map(|kind| kind as u64)),
                _ => values.extend((0..image.header().text_count).map(u64::from)),
            }
        }
        if field >= MAX_ARGS as u8 && field != FIELD_KIND {
            values.retain(|value| *value <= u32::MAX.into());
        }
        values.sort_unstable();
        values.dedup();
        let mut values: Vec<Option<u64>> = values.into_iter().map(Some).collect();
        if values.is_empty() {
            values.push(Some(0));
        } else if usize::from(field) < MAX_ARGS && op == Op::Setattr {
            values.push(None);
        }
        values
    };
    (0..FIELD_COUNT).map(of_field).collect()
}

/// The request with this number, of all combinations of `values`.
fn request(values: &[Vec<Option<u64>>], mut number: usize) -> Vec<Option<u64>> {
    let value = |values: &Vec<Option<u64>>| {
        let value = values[number % values.len()];
        number /= values.len();
        value
    };
    values.iter().map(value).collect()
}

fn holds(image: &ValidImage, test: &Test, value: Option<u64>) -> bool {
    let condition = value.is_some_and(|value| match test.condition {
        CONDITION_BETWEEN => test.a <= value && value <= test.b,
        CONDITION_ANY_BIT => value & test.a != 0,
        CONDITION_KIND => test.a >> value & 1 == 1,
        _ => u32::try_from(value).is_ok_and(|class| image.set_contains(test.set, class)),
    });
    condition == (test.holds == 1)
}

/// What tells a list from others: its boxes.
type Key = [Vec<(u32, Vec<Test>)>; 2];

/// Whether each word of the gain table has exactly the operations that some request is denied under the one list and
/// allowed under the other.
pub(super) fn gains(image: &ValidImage) -> Result<String, String> {
    let lists = numbered(image)?;
    let count = lists.len() + 1;
    if lists.is_empty() || image.header().list_count == 0 {
        return Ok(
            if lists.is_empty() { "no list" } else { "no table: a move counts as gaining all" }.to_owned()
        );
    }
    if image.header().list_count as usize != count {
        return Err(format!("there are {count} lists, and the table has {}", image.header().list_count));
    }
    let texts = text_classes(image);
    let mut pairs = 0usize;
    for op in OpSet::ALL.iter() {
        let of_op = |lines: &[(u32, Vec<Test>)]| -> Vec<FieldBox> {
            let of_op = lines.iter().filter(|(ops, _)| OpSet::from_bits(*ops).contains(op));
            of_op.filter_map(|(_, tests)| FieldBox::default().with_all(tests, op, &texts)).collect()
        };
        let boxes: Vec<[Vec<FieldBox>; 2]> = lists
            .iter()
            .map(|(cell, [denies, allows])| match OpSet::from_bits(cell.depend).contains(op) {
                true => [of_op(denies), of_op(allows)],
                false => [Vec::new(), Vec::new()],
            })
            .collect();
        for from in 0..count {
            for to in 0..count {
                let gained = match (from.checked_sub(1), to.checked_sub(1)) {
                    (None, None) => false,
                    (Some(from), None) => !boxes[from][0].is_empty(),
                    (None, Some(to)) => !boxes[to][1].is_empty(),
                    (Some(from), Some(to)) => {
                        pairs += boxes[from][0].len() * boxes[to][1].len();
                        if pairs > MOST_PAIRS {
                            return Err(format!("more than {MOST_PAIRS} pairs of boxes"));
                        }
                        let meets = |deny: &FieldBox| boxes[to][1].iter().any(|allow| deny.meets(allow, op));
                        boxes[from][0].iter().any(meets)
                    }
                };
                let says = image.list_gains(from as u32, to as u32).is_some_and(|ops| ops.contains(op));
                if says != gained {
                    let not = if gained { "" } else { "not " };
                    return Err(format!("`{op}` is {not}gained from list {from} to list {to}"));
                }
            }
        }
    }
    Ok(format!("{count} by {count} lists, as {pairs} pairs of boxes have it"))
}

/// The lists by their numbers, from 1 on: a cell that has it, and its boxes.
fn numbered(image: &ValidImage) -> Result<Vec<(Cell, Key)>, String> {
    let mut lists: Vec<(Cell, Key)> = Vec::new();
    let mut numbers: HashMap<Key, u32> = HashMap::new();
    for cell in (0..image.header().cell_count).map(|number| image.cell(number)) {
        if cell.depend == 0 {
            continue;
        }
        let lines = |from, count| -> Vec<(u32, Vec<Test>)> {
            let entries = image.entries(from, count);
            entries.map(|(_, entry)| (entry.ops, image.tests(&entry).collect())).collect()
        };
        let key = [lines(cell.denies, cell.denies_count), lines(cell.allows, cell.allows_count)];
        let next = u32::try_from(lists.len() + 1).unwrap_or(u32::MAX);
        let number = *numbers.entry(key.clone()).or_insert(next);
        if number == next {
            lists.push((cell, key));
        }
        if cell.list != number {
            return Err(format!("list {number} is called {}", cell.list));
        }
    }
    Ok(lists)
}

/// The classes of texts, and of those that are paths, with the sets that tests name.
fn text_classes(image: &ValidImage) -> TextClasses {
    let header = image.header();
    let count = header.text_count as usize;
    let (mut paths, mut texts) = (TextSet::empty(count), TextSet::empty(count));
    if header.text_start != 0 {
        let start = (State { node: header.text_start, inside: 0 }, Canonical::Start);
        let mut seen: HashSet<(State, Canonical)> = HashSet::from_iter([start]);
        let mut todo = vec![start];
        while let Some((state, spelt)) = todo.pop() {
            texts.insert(image.label(state));
            if spelt.is_path() {
                paths.insert(image.label(state));
            }
            for byte in 0..=u8::MAX {
                let next = (image.step(state, byte), spelt.step(byte));
                if seen.insert(next) {
                    todo.push(next);
                }
            }
        }
    }
    let mut classes = TextClasses::new(header.text_count, paths, texts);
    for set in 0..header.set_count {
        let mut members = TextSet::empty(count);
        let of_set = (0..header.text_count).filter(|class| image.set_contains(set, *class));
        of_set.for_each(|class| members.insert(class));
        let number = classes.number(members);
        debug_assert_eq!(number, set, "INVARIANT: sets are kept once");
    }
    classes
}
