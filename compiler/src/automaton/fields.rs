//! Sets of values of one field of a request, exact enough to tell whether a conjunction of tests can hold.

use hashbrown::HashMap;

use boesfs_abi::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, CONDITION_TEXT, FIELD_COUNT, FIELD_GID, FIELD_KIND,
    FIELD_UID, Test,
};
use boesfs_abi::op::{ArgType, Op};
use boesfs_abi::request::Kind;

/// A set of text classes, as the image stores it: bit `c % 32` of word `c / 32`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextSet(pub Vec<u32>);

impl TextSet {
    /// The empty set of `count` classes.
    #[must_use]
    pub fn empty(count: usize) -> Self {
        Self(vec![0; count.div_ceil(32)])
    }

    /// Adds `class`.
    pub fn insert(&mut self, class: u32) {
        self.0[class as usize / 32] |= 1 << (class % 32);
    }

    /// Its members in increasing order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.0).flat_map(|(at, word)| {
            (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 32 + bit)
        })
    }

    /// Whether `class` is a member.
    #[must_use]
    pub fn contains(&self, class: u32) -> bool {
        self.0[class as usize / 32] >> (class % 32) & 1 == 1
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn retain(&mut self, other: &Self, inside: bool) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= if inside { *other } else { !*other };
        }
    }
}

/// The text classes a request can have, and the sets tests name.
#[derive(Clone, Debug, Default)]
pub struct TextClasses {
    /// How many classes there are.
    pub count: u32,
    sets: Vec<TextSet>,
    numbers: HashMap<TextSet, u32>,
    /// Classes of canonical paths.
    pub of_paths: Option<TextSet>,
    /// Classes of any bytes.
    pub of_texts: Option<TextSet>,
}

impl TextClasses {
    /// The classes below `count`, of which `of_paths` are those of canonical paths; no set has a number yet.
    pub(crate) fn new(count: u32, of_paths: TextSet, of_texts: TextSet) -> Self {
        Self { count, of_paths: Some(of_paths), of_texts: Some(of_texts), ..Self::default() }
    }

    /// The sets that tests name, by number.
    #[must_use]
    pub fn sets(&self) -> &[TextSet] {
        &self.sets
    }

    /// The number of `set`, which is added if it is new.
    pub fn number(&mut self, set: TextSet) -> u32 {
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        let number = u32::try_from(self.sets.len()).expect("INVARIANT: fewer text sets than tests");
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        number
    }
}

/// What a field of an operation's request can be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldSet {
    /// Whether the call may not carry it; always excluded for the caller and the kind.
    pub absent: bool,
    /// What it may be.
    pub values: Values,
}

/// Values of a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Values {
    /// Numbers.
    Numbers(Numbers),
    /// Classes of texts.
    Texts(TextSet),
    /// Bit `kind` for each kind.
    Kinds(u8),
}

/// The numbers in some range that have a bit of each of several masks and none of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Numbers {
    ranges: Vec<(u64, u64)>,
    any: Vec<u64>,
    none: u64,
}

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// A number.
    Number(u64),
    /// A text of this class.
    Text(u32),
    /// A kind.
    Kind(Kind),
    /// None: the call does not carry it.
    Absent,
}

/// Every kind.
pub(super) const ALL_KINDS: u8 = 0x7f;

/// Everything `field` can be in a request of `op`; `None` if `op` has no such field.
#[must_use]
pub fn domain(op: Op, field: u8, texts: &TextClasses) -> Option<FieldSet> {
    let numbers = |max| Values::Numbers(Numbers { ranges: vec![(0, max)], any: Vec::new(), none: 0 });
    let always = |values| Some(FieldSet { absent: false, values });
    match field {
        FIELD_UID | FIELD_GID => always(numbers(u32::MAX.into())),
        FIELD_KIND => always(Values::Kinds(ALL_KINDS)),
        place => {
            let spec = op.spec().args.get(usize::from(place))?;
            let values = match spec.ty {
                ArgType::Unsigned | ArgType::Signed => numbers(u64::MAX),
                ArgType::Path => Values::Texts(texts.of_paths.clone()?),
                ArgType::Text => Values::Texts(texts.of_texts.clone()?),
            };
            Some(FieldSet { absent: true, values })
        }
    }
}

/// Whether a call may do without some arguments of `op`, so that an unknown one may be absent.
#[must_use]
pub fn may_be_absent(op: Op) -> bool {
    op == Op::Setattr
}

/// Whether `op` has the field `test` looks at, and its values are of the type the condition is about.
fn fits(test: &Test, op: Op) -> bool {
    match test.field {
        FIELD_UID | FIELD_GID => matches!(test.condition, CONDITION_BETWEEN | CONDITION_ANY_BIT),
        FIELD_KIND => test.condition == CONDITION_KIND,
        place => op.spec().args.get(usize::from(place)).is_some_and(|spec| match spec.ty {
            ArgType::Unsigned | ArgType::Signed => {
                matches!(test.condition, CONDITION_BETWEEN | CONDITION_ANY_BIT)
            }
            ArgType::Path | ArgType::Text => test.condition == CONDITION_TEXT,
        }),
    }
}

/// The tests of `tests` that say something about `op`; `None` if they can never hold of it. A condition on an
/// argument that `op` does not have is false.
pub(crate) fn relevant(tests: &[Test], op: Op) -> Option<Vec<Test>> {
    let mut relevant = Vec::with_capacity(tests.len());
    for test in tests {
        if fits(test, op) {
            relevant.push(*test);
        } else if test.holds == 1 {
            return None;
        }
    }
    Some(relevant)
}

impl FieldSet {
    /// Keeps what `test` holds of; `test` looks at this field.
    pub fn restrict(&mut self, test: &Test, texts: &TextClasses) {
        let holds = test.holds == 1;
        self.absent &= !holds;
        match &mut self.values {
            Values::Numbers(numbers) => match (test.condition, holds) {
                (CONDITION_BETWEEN, true) => numbers.keep(test.a, test.b),
                (CONDITION_BETWEEN, false) => numbers.remove(test.a, test.b),
                (_, true) => numbers.any.push(test.a),
                (_, false) => numbers.none |= test.a,
            },
            Values::Texts(set) => set.retain(&texts.sets[test.set as usize], holds),
            Values::Kinds(kinds) => {
                let mask = u8::try_from(test.a & u64::from(ALL_KINDS)).expect("INVARIANT: seven bits");
                *kinds &= if holds { mask } else { !mask };
            }
        }
    }

    /// Keeps what is in `other` too; both are sets of one field.
    pub fn intersect(&mut self, other: &Self) {
        self.absent &= other.absent;
        match (&mut self.values, &other.values) {
            (Values::Numbers(numbers), Values::Numbers(other)) => {
                let mut ranges = Vec::new();
                for (low, high) in &numbers.ranges {
                    for (other_low, other_high) in &other.ranges {
                        let (low, high) = (*low.max(other_low), *high.min(other_high));
                        if low <= high {
                            ranges.push((low, high));
                        }
                    }
                }
                numbers.ranges = ranges;
                numbers.any.extend_from_slice(&other.any);
                numbers.none |= other.none;
            }
            (Values::Texts(set), Values::Texts(other)) => set.retain(other, true),
            (Values::Kinds(kinds), Values::Kinds(other)) => *kinds &= other,
            (Values::Numbers(_) | Values::Texts(_) | Values::Kinds(_), _) => {
                unreachable!("INVARIANT: both are sets of one field of one operation")
            }
        }
    }

    /// Some value of the set, if it has any.
    #[must_use]
    pub fn example(&self) -> Option<Example> {
        let value = match &self.values {
            Values::Numbers(numbers) => numbers.example().map(Example::Number),
            Values::Texts(set) => set.iter().next().map(Example::Text),
            Values::Kinds(kinds) => {
                Kind::ALL.into_iter().find(|kind| kinds >> *kind as u8 & 1 == 1).map(Example::Kind)
            }
        };
        value.or(self.absent.then_some(Example::Absent))
    }

    /// Whether no request of `op` has a value in the set.
    #[must_use]
    pub fn is_empty(&self, op: Op) -> bool {
        let some = match &self.values {
            Values::Numbers(numbers) => numbers.example().is_some(),
            Values::Texts(set) => !set.is_empty(),
            Values::Kinds(kinds) => *kinds != 0,
        };
        !(some || self.absent && may_be_absent(op))
    }

    /// Tests that hold of exactly this set, out of `domain`.
    pub fn tests(&self, field: u8, domain: &Self, texts: &mut TextClasses) -> Vec<Test> {
        if self == domain {
            return Vec::new();
        }
        let test = |condition, holds: bool, a, b, set| Test {
            a,
            b,
            set,
            field,
            condition,
            holds: holds.into(),
            reserved: 0,
        };
        match (&self.values, &domain.values) {
            (Values::Numbers(numbers), Values::Numbers(all)) => {
                let numbers = numbers.simplified();
                let full = all.ranges[0];
                let between = |holds, (low, high)| test(CONDITION_BETWEEN, holds, low, high, 0);
                let hull =
                    (numbers.ranges.first().map(|range| range.0), numbers.ranges.last().map(|range| range.1));
                let mut tests = Vec::new();
                match hull {
                    (Some(low), Some(high)) if !self.absent => {
                        let needless = (low, high) == full && (!domain.absent || !numbers.any.is_empty());
                        if !needless {
                            tests.push(between(true, (low, high)));
                        }
                        tests.extend(gaps(&numbers.ranges, (low, high)).map(|gap| between(false, gap)));
                    }
                    _ => tests.extend(gaps(&numbers.ranges, full).map(|gap| between(false, gap))),
                }
                if numbers.none != 0 {
                    tests.push(test(CONDITION_ANY_BIT, false, numbers.none, 0, 0));
                }
                tests.extend(numbers.any.iter().map(|mask| test(CONDITION_ANY_BIT, true, *mask, 0, 0)));
                tests
            }
            (Values::Texts(set), Values::Texts(all)) => {
                let mut named = set.clone();
                if self.absent {
                    named = all.clone();
                    named.retain(set, false);
                }
                vec![test(CONDITION_TEXT, !self.absent, 0, 0, texts.number(named))]
            }
            (Values::Kinds(kinds), _) => vec![test(CONDITION_KIND, true, u64::from(*kinds), 0, 0)],
            (Values::Numbers(_) | Values::Texts(_), _) => {
                unreachable!("INVARIANT: both are sets of one field of one operation")
            }
        }
    }
}

impl Numbers {
    fn keep(&mut self, low: u64, high: u64) {
        self.ranges.retain_mut(|range| {
            *range = (range.0.max(low), range.1.min(high));
            range.0 <= range.1
        });
    }

    fn remove(&mut self, low: u64, high: u64) {
        self.ranges = self
            .ranges
            .iter()
            .flat_map(|&(first, last)| {
                let before = low.checked_sub(1).map(|end| (first, last.min(end)));
                let after = high.checked_add(1).map(|start| (first.max(start), last));
                [before, after].into_iter().flatten().filter(|(first, last)| first <= last)
            })
            .collect();
    }

    /// Some number of the set.
    #[must_use]
    pub fn example(&self) -> Option<u64> {
        self.ranges.iter().find_map(|range| self.example_within(*range))
    }

    /// Some number of the set in `low..=high`: with the high bits of an aligned block fixed, setting every bit that
    /// may be set hits as many masks as any choice does.
    fn example_within(&self, (mut low, high): (u64, u64)) -> Option<u64> {
        loop {
            let mut free = if low == 0 { u64::MAX } else { (1 << low.trailing_zeros()) - 1 };
            while low.checked_add(free).is_none_or(|end| end > high) {
                free >>= 1;
            }
            let best = low | free & !self.none;
            if low & self.none == 0 && self.any.iter().all(|mask| best & mask != 0) {
                return Some(self.plainest(low, best));
            }
            low = match (low | free).checked_add(1) {
                Some(next) if next <= high => next,
                _ => return None,
            };
        }
    }

    /// `low` itself where it will do: shorter to read than `best`.
    fn plainest(&self, low: u64, best: u64) -> u64 {
        if self.any.iter().all(|mask| low & mask != 0) { low } else { best }
    }

    fn simplified(&self) -> Self {
        let mut any: Vec<u64> = self.any.iter().map(|mask| mask & !self.none).collect();
        any.sort_unstable();
        any.dedup();
        // Who has a bit of a smaller mask has one of each mask around it.
        let smaller = any.clone();
        any.retain(|mask| !smaller.iter().any(|small| small != mask && small & mask == *small));
        let mut ranges = self.ranges.clone();
        ranges.retain(|range| self.example_within(*range).is_some());
        Self { ranges, any, none: self.none }
    }
}

/// What of `within` lies in none of `ranges`.
fn gaps(ranges: &[(u64, u64)], within: (u64, u64)) -> impl Iterator<Item = (u64, u64)> {
    let mut rest = Numbers { ranges: vec![within], any: Vec::new(), none: 0 };
    for (low, high) in ranges {
        rest.remove(*low, *high);
    }
    rest.ranges.into_iter()
}

/// A conjunction of conditions on the fields of one operation's requests; `None` is no condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct FieldBox(pub [Option<FieldSet>; FIELD_COUNT as usize]);

impl FieldBox {
    /// The part of the box where `test` holds; `None` if there is none.
    #[must_use]
    pub fn with(&self, test: &Test, op: Op, texts: &TextClasses) -> Option<Self> {
        let mut part = self.clone();
        let slot = &mut part.0[usize::from(test.field)];
        let set = slot.get_or_insert_with(|| {
            domain(op, test.field, texts).expect("INVARIANT: irrelevant tests were dropped")
        });
        set.restrict(test, texts);
        (!set.is_empty(op)).then_some(part)
    }

    /// The part of the box where all `tests` hold; `None` if there is none.
    #[must_use]
    pub fn with_all(&self, tests: &[Test], op: Op, texts: &TextClasses) -> Option<Self> {
        tests.iter().try_fold(self.clone(), |part, test| part.with(test, op, texts))
    }

    /// Whether some request of `op` lies in both boxes.
    #[must_use]
    pub fn meets(&self, other: &Self, op: Op) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => {
                let mut both = a.clone();
                both.intersect(b);
                !both.is_empty(op)
            }
            (None, _) | (_, None) => true,
        })
    }

    /// Tests that hold of exactly this box.
    pub fn tests(&self, op: Op, texts: &mut TextClasses) -> Vec<Test> {
        let mut tests = Vec::new();
        for (field, set) in (0u8..).zip(&self.0) {
            if let Some(set) = set {
                let all = domain(op, field, texts).expect("INVARIANT: irrelevant tests were dropped");
                tests.extend(set.tests(field, &all, texts));
            }
        }
        tests
    }
}
