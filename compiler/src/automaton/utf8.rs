//! What makes a byte part of a well-formed UTF-8 sequence, for bytes that must not be.

/// What would complete a character whose first bytes have been read: the range of the next byte, and how many follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Expected {
    low: u8,
    high: u8,
    more: u8,
}

/// A range of bytes, both ends in it.
type Range = (u8, u8);

/// First bytes of characters, and what completes them (Unicode, table 3-7).
const FIRST: [(u8, u8, Expected); 8] = [
    (0xC2, 0xDF, Expected { low: 0x80, high: 0xBF, more: 0 }),
    (0xE0, 0xE0, Expected { low: 0xA0, high: 0xBF, more: 1 }),
    (0xE1, 0xEC, Expected { low: 0x80, high: 0xBF, more: 1 }),
    (0xED, 0xED, Expected { low: 0x80, high: 0x9F, more: 1 }),
    (0xEE, 0xEF, Expected { low: 0x80, high: 0xBF, more: 1 }),
    (0xF0, 0xF0, Expected { low: 0x90, high: 0xBF, more: 2 }),
    (0xF1, 0xF3, Expected { low: 0x80, high: 0xBF, more: 2 }),
    (0xF4, 0xF4, Expected { low: 0x80, high: 0x8F, more: 2 }),
];

impl Expected {
    /// What completes the character after one more of its bytes; `None` if that was the last.
    pub(super) fn next(self) -> Option<Self> {
        let more = self.more.checked_sub(1)?;
        Some(Self { low: 0x80, high: 0xBF, more })
    }

    /// Those of `low..=high` that go on with the character, and the others.
    pub(super) fn split(self, low: u8, high: u8) -> (Option<Range>, [Option<Range>; 2]) {
        let range = |low: u8, high: u8| (low <= high).then_some((low, high));
        let completing = range(low.max(self.low), high.min(self.high));
        let below = range(low, high.min(self.low - 1));
        let above = range(low.max(self.high + 1), high);
        (completing, [below, above])
    }
}

/// `low..=high` cut into bytes of one kind each, with what would complete a character after them.
pub(super) fn expected_after(low: u8, high: u8) -> Vec<(u8, u8, Option<Expected>)> {
    let mut parts = Vec::new();
    let mut at = Some(low).filter(|low| *low <= high);
    while let Some(low) = at {
        let of = FIRST.iter().find(|(first, last, _)| (*first..=*last).contains(&low));
        let last = match of {
            Some((_, last, _)) => *last,
            None => FIRST.iter().find(|(first, ..)| *first > low).map_or(u8::MAX, |(first, ..)| first - 1),
        };
        let last = last.min(high);
        parts.push((low, last, of.map(|(_, _, expected)| *expected)));
        at = last.checked_add(1).filter(|low| *low <= high);
    }
    parts
}
