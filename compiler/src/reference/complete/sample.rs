//! Values that between them pass and fail a set of tests in every way.

use std::collections::{BTreeMap, BTreeSet};

use boesfs_abi::request::ArgValue;

use crate::model::ValueTest;

/// How many values one argument is tried with before different ways of passing the tests are told apart.
const MOST: usize = 1 << 16;

/// How many texts are made from one pattern.
const MOST_TEXTS: usize = 1 << 12;

/// Numbers up to `greatest`: for every interval between the constants of `tests`, and every set of masks that some
/// number there hits while it misses the others, such a number.
pub(super) fn numbers<'a>(tests: impl Iterator<Item = &'a ValueTest>, greatest: u64) -> Vec<ArgValue> {
    let sign = 1 << 63;
    let mut starts = BTreeSet::from([0, sign]);
    let mut masks = BTreeSet::new();
    for test in tests {
        let constants = match test {
            ValueTest::Equals(number) | ValueTest::Compare(_, number) => vec![*number],
            ValueTest::Range(low, high) => vec![*low, *high],
            ValueTest::AnyBit(mask) => {
                masks.insert(*mask);
                Vec::new()
            }
            ValueTest::Any | ValueTest::Nothing | ValueTest::Literal(_) | ValueTest::Pattern(_) => Vec::new(),
        };
        for number in constants {
            starts.extend([Some(number), number.checked_add(1)].into_iter().flatten());
        }
    }
    let starts: Vec<u64> = starts.into_iter().filter(|start| *start <= greatest).collect();
    let masks: Vec<u64> = masks.into_iter().collect();
    let mut values = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).map_or(greatest, |next| next - 1);
        let mut by_hits: BTreeMap<Vec<bool>, u64> = BTreeMap::new();
        let blocks = if masks.is_empty() { vec![(*start, 0)] } else { blocks(*start, end) };
        for (prefix, free) in blocks {
            hits_in_block(prefix, free, &masks, &mut by_hits);
        }
        values.extend(by_hits.into_values().map(ArgValue::Number));
    }
    values
}

/// The interval as blocks of numbers that share a prefix and have all values in their free low bits.
fn blocks(start: u64, end: u64) -> Vec<(u64, u64)> {
    let mut blocks = Vec::new();
    let mut at = start;
    loop {
        let mut free = 0_u64;
        loop {
            let wider = free << 1 | 1;
            let fits =
                wider > free && at & wider == 0 && at.checked_add(wider).is_some_and(|last| last <= end);
            if !fits {
                break;
            }
            free = wider;
        }
        blocks.push((at, free));
        match at.checked_add(free).and_then(|last| last.checked_add(1)) {
            Some(next) if next <= end => at = next,
            _ => return blocks,
        }
    }
}

/// Adds, for each set of masks that a number of the block can hit, one number.
fn hits_in_block(prefix: u64, free: u64, masks: &[u64], by_hits: &mut BTreeMap<Vec<bool>, u64>) {
    let hits = |number: u64| -> Vec<bool> { masks.iter().map(|mask| number & mask != 0).collect() };
    let mut found = BTreeMap::from([(hits(prefix), prefix)]);
    let bits = (0..64).map(|bit| 1_u64 << bit).filter(|bit| free & bit != 0);
    for bit in bits {
        let with_bit: Vec<u64> = found.values().map(|number| number | bit).collect();
        for number in with_bit {
            if found.len() < MOST {
                found.entry(hits(number)).or_insert(number);
            }
        }
    }
    for (hits, number) in found {
        by_hits.entry(hits).or_insert(number);
    }
}

/// Texts: the literals of `tests`, texts made from their patterns, and a few that no policy mentions.
pub(super) fn texts<'a>(tests: impl Iterator<Item = &'a ValueTest>) -> Vec<ArgValue> {
    let mut texts: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut patterns = Vec::new();
    for test in tests {
        match test {
            ValueTest::Literal(literal) => {
                texts.insert(literal.clone());
            }
            ValueTest::Pattern(pattern) => patterns.push(pattern.as_slice()),
            ValueTest::Any
            | ValueTest::Equals(_)
            | ValueTest::Range(..)
            | ValueTest::Compare(..)
            | ValueTest::AnyBit(_)
            | ValueTest::Nothing => {}
        }
    }
    let mut names: BTreeSet<Vec<u8>> = [b"x".to_vec(), b"~1".to_vec()].into();
    for text in texts.iter().map(Vec::as_slice).chain(patterns.iter().copied()) {
        let components = text.split(|byte| *byte == b'/');
        names.extend(components.filter(|name| !name.is_empty()).map(<[u8]>::to_vec));
    }
    for pattern in patterns {
        made_from(pattern, &names, &mut texts);
    }
    for name in &names {
        texts.extend([name.clone(), [b"/", name.as_slice()].concat(), [b"/~0/", name.as_slice()].concat()]);
    }
    for known in texts.clone() {
        texts.insert([known.as_slice(), b"/~0"].concat());
        texts.insert([known.as_slice(), b"~"].concat());
    }
    texts.extend([b"/".to_vec(), b"/~0".to_vec(), b"/~0/~1".to_vec()]);
    texts.into_iter().map(ArgValue::Bytes).collect()
}

type Texts = BTreeSet<Vec<u8>>;

/// Texts that resemble `pattern`, whether they match it or not: wildcards are replaced by `names` and by nothing,
/// braces by what stands in them, classes by their members.
fn made_from(pattern: &[u8], names: &Texts, texts: &mut Texts) {
    let mut made: BTreeSet<Vec<u8>> = BTreeSet::from([Vec::new()]);
    let mut i = 0;
    let mut depth = 0;
    let mut before_braces: Vec<(Texts, Texts)> = Vec::new();
    while i < pattern.len() {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut length = 1;
        match &pattern[i..] {
            [b'\\', escaped, ..] => {
                pieces.push(vec![*escaped]);
                length = 2;
            }
            [b'*', rest @ ..] => {
                let twice = rest.first() == Some(&b'*');
                length = 1 + usize::from(twice);
                pieces.push(Vec::new());
                pieces.extend(names.iter().cloned());
                if twice {
                    pieces.extend(names.iter().map(|name| [b"~0/", name.as_slice()].concat()));
                    pieces.extend(names.iter().map(|name| [b"~0/", name.as_slice(), b"/~0"].concat()));
                }
            }
            [b'?', ..] => pieces.extend([vec![b'x'], vec![b'~']]),
            [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
                Some(end) if end > 0 => {
                    pieces.extend(rest[..end].iter().filter(|byte| **byte != b'/').map(|byte| vec![*byte]));
                    pieces.extend([vec![b'x'], vec![b'~']]);
                    length = end + 2;
                }
                _ => pieces.push(vec![b'[']),
            },
            [b'{', ..] => {
                depth += 1;
                before_braces.push((made.clone(), BTreeSet::new()));
            }
            [b',', ..] if depth > 0 => {
                if let Some((before, done)) = before_braces.last_mut() {
                    done.append(&mut made);
                    made = before.clone();
                }
            }
            [b'}', ..] if depth > 0 => {
                depth -= 1;
                if let Some((_, mut done)) = before_braces.pop() {
                    made.append(&mut done);
                }
            }
            [byte, ..] => pieces.push(vec![*byte]),
            [] => {}
        }
        if !pieces.is_empty() {
            made = made
                .iter()
                .flat_map(|text| pieces.iter().map(move |piece| [text.as_slice(), piece.as_slice()].concat()))
                .take(MOST_TEXTS)
                .collect();
        }
        i += length;
    }
    for text in made.clone() {
        let folded = String::from_utf8_lossy(&text).replace("//", "/");
        made.insert(folded.into_bytes());
    }
    texts.append(&mut made);
}
