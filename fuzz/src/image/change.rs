//! What is done to an image: changes that follow its structure, as the bytes of an input say.

use std::ops::Range;

use super::file::{Apart, BLOB, Section};

/// Numbers from an input; zeros when it is at its end.
pub(super) struct Input<'d>(pub(super) &'d [u8]);

impl Input<'_> {
    pub(super) fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn short(&mut self) -> usize {
        self.byte() | self.byte() << 8
    }

    fn word(&mut self) -> u32 {
        (self.short() | self.short() << 16) as u32
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Numbers at which checks may be one off.
const EDGES: [u32; 16] = [
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    255,
    256,
    0xffff,
    0x00ff_ffff,
    0x0100_0000,
    0x7fff_ffff,
    0xffff_fff8,
    u32::MAX,
];

/// Lengths of the records that tables are made of.
const RECORDS: [usize; 6] = [4, 8, 16, 24, 32, 64];

/// Makes one change: mostly to what is decided by, then to what is beside it, then to how sections stand.
pub(super) fn change(apart: &mut Apart, tables: &[Range<usize>], input: &mut Input<'_>) {
    let count = apart.sections.len();
    match input.byte() {
        choice @ 0..160 => {
            let Some(section) = apart.sections.iter_mut().find(|section| section.kind == BLOB) else {
                return;
            };
            let len = section.bytes.len();
            let table = tables.get(choice % (tables.len() + 1)).cloned().unwrap_or(0..len);
            within(&mut section.bytes, table.start.min(len)..table.end.min(len), input);
        }
        160..240 if count > 0 => {
            let section = &mut apart.sections[input.byte() % count];
            beside(section, input);
        }
        _ => stand(&mut apart.sections, input),
    }
}

/// Changes a section that is not walked: what is deflated in it, as often as its own bytes.
fn beside(section: &mut Section, input: &mut Input<'_>) {
    let as_it_is = input.byte() % 4 == 0;
    match section.inflated().filter(|_| !as_it_is) {
        Some(mut plain) => {
            let all = 0..plain.len();
            within(&mut plain, all, input);
            section.deflate(&plain);
        }
        None => {
            let all = 0..section.bytes.len();
            within(&mut section.bytes, all, input);
        }
    }
}

/// Changes sections as a whole.
fn stand(sections: &mut Vec<Section>, input: &mut Input<'_>) {
    let (what, one, other) = (input.byte() % 6, input.byte(), input.byte());
    if sections.is_empty() {
        return;
    }
    let (one, other) = (one % sections.len(), other % sections.len());
    match what {
        0 => sections.swap(one, other),
        1 => sections.insert(other, sections[one].clone()),
        2 => drop(sections.remove(one)),
        3 => sections[one].kind = other as u32,
        4 => sections[one].bytes = sections[other].bytes.clone(),
        _ => sections[one].kind = input.word(),
    }
}

/// Changes something in the part `of` of `bytes`, or makes that part longer or shorter.
fn within(bytes: &mut Vec<u8>, of: Range<usize>, input: &mut Input<'_>) {
    let (what, words) = (input.byte() % 12, of.len() / 4);
    let place = |input: &mut Input<'_>| of.start + input.short() % words.max(1) * 4;
    if words == 0 && what < 10 {
        return;
    }
    let at = place(input);
    match what {
        0 => put(bytes, at, EDGES[input.byte() % EDGES.len()]),
        1 => edit(bytes, at, |word| word.wrapping_add(input.byte() as u8 as i8 as u32)),
        2 => edit(bytes, at, |word| word ^ 1 << (input.byte() % 32)),
        3 => put(bytes, at, input.word()),
        4 => {
            let from = get(bytes, place(input));
            put(bytes, at, from);
        }
        5 => {
            let from = place(input);
            let (one, other) = (get(bytes, at), get(bytes, from));
            put(bytes, at, other);
            put(bytes, from, one);
        }
        6 => {
            // A record over another.
            let len = RECORDS[input.byte() % RECORDS.len()];
            let (from, to) = (place(input) - of.start, at - of.start);
            let (from, to) = (of.start + from / len * len, of.start + to / len * len);
            if from.max(to) + len <= of.end {
                bytes.copy_within(from..from + len, to);
            }
        }
        7 => bytes[at + input.byte() % 4] = input.byte() as u8,
        8 => {
            // A count with whatever it counts.
            let more = input.byte() as u32 % 4;
            edit(bytes, at, |word| word.wrapping_add(more));
            insert(bytes, of.end, more as usize * RECORDS[input.byte() % RECORDS.len()]);
        }
        9 => edit(bytes, at, |word| word.wrapping_add(input.byte() as u32 * 8)),
        10 => insert(bytes, at.min(bytes.len()), input.byte() % 64),
        _ => {
            let to = (at + input.byte() % 64).min(bytes.len());
            bytes.drain(at.min(to)..to);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, zeros: usize) {
    bytes.splice(at..at, std::iter::repeat_n(0, zeros));
}

fn get(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().expect("four bytes")))
}

fn edit(bytes: &mut [u8], at: usize, to: impl FnOnce(u32) -> u32) {
    let word = get(bytes, at);
    put(bytes, at, to(word));
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(word) = bytes.get_mut(at..at + 4) {
        word.copy_from_slice(&value.to_le_bytes());
    }
}
