//! Boxes of requests in words: conditions on arguments as tuples are written, on uid, gid and kind.

use boesfs_abi::layout::{
    CONDITION_ANY_BIT, CONDITION_BETWEEN, CONDITION_KIND, FIELD_GID, FIELD_KIND, FIELD_UID, Test,
};
use boesfs_abi::op::{ArgType, MAX_ARGS, Op};
use boesfs_abi::request::{ArgValue, Kind, Request};

use crate::automaton::{Example, FieldBox, Inputs, TextClasses, may_be_absent};

use super::arguments::Arguments;
use super::candidates::Candidates;
use super::language::Language;
use super::patterns::{Patterns, describe};

/// The condition of one box, in words; empty if there is none.
pub(super) fn words(part: &FieldBox, op: Op, arguments: &Arguments<'_>, rules: &Candidates) -> String {
    let mut texts = arguments.classes.clone();
    let mut tuple: Vec<String> = Vec::new();
    let mut besides: Vec<String> = Vec::new();
    for (field, set) in (0u8..).zip(&part.0) {
        let mut value = "*".to_owned();
        if let Some(set) = set
            && let Some(all) = arguments.domain(op, field)
        {
            let tests = set.tests(field, &all, &mut texts);
            match tests.as_slice() {
                [] => {}
                [test] => match tuple_value(test, op, &texts, arguments, rules) {
                    Some(said) if usize::from(field) < MAX_ARGS => value = said,
                    _ => besides.push(said(test, op, &texts, arguments, rules)),
                },
                tests => besides.extend(tests.iter().map(|test| said(test, op, &texts, arguments, rules))),
            }
        }
        if usize::from(field) < op.spec().args.len() {
            tuple.push(value);
        }
    }
    let mut words = Vec::new();
    if tuple.iter().any(|value| value != "*") {
        words.push(format!("args ({})", tuple.join(", ")));
    }
    words.extend(besides);
    words.join(" and ")
}

/// The names of the arguments a box looks at: boxes of two operations say the same if these are the same.
pub(super) fn arguments_of(part: &FieldBox, op: Op) -> Vec<&'static str> {
    let specs = op.spec().args.iter();
    if part.0[..MAX_ARGS].iter().all(Option::is_none) {
        return Vec::new();
    }
    specs.map(|spec| spec.name).collect()
}

fn number(value: u64, op: Op, field: u8) -> String {
    let ty = op.spec().args.get(usize::from(field)).map(|spec| spec.ty);
    if ty == Some(ArgType::Signed) { value.cast_signed().to_string() } else { value.to_string() }
}

/// The largest number, and for signed ones the largest and smallest as they are carried.
fn is_signed(op: Op, field: u8) -> bool {
    op.spec().args.get(usize::from(field)).is_some_and(|spec| spec.ty == ArgType::Signed)
}

/// The test as a value of a tuple, if a tuple can say it.
fn tuple_value(
    test: &Test,
    op: Op,
    texts: &TextClasses,
    arguments: &Arguments<'_>,
    rules: &Candidates,
) -> Option<String> {
    let holds = test.holds == 1;
    let number = |value| number(value, op, test.field);
    match test.condition {
        CONDITION_BETWEEN if test.a == test.b && holds => Some(number(test.a)),
        CONDITION_BETWEEN if test.a == test.b => {
            (!may_be_absent(op)).then(|| format!("!={}", number(test.a)))
        }
        CONDITION_BETWEEN if is_signed(op, test.field) => {
            let ordered = test.a.cast_signed() <= test.b.cast_signed();
            (holds && ordered).then(|| format!("{}..{}", number(test.a), number(test.b)))
        }
        CONDITION_BETWEEN if holds => Some(match (test.a, test.b) {
            (0, high) => format!("<={high}"),
            (low, u64::MAX) => format!(">={low}"),
            (low, high) => format!("{low}..{high}"),
        }),
        CONDITION_BETWEEN if test.a == 0 && !may_be_absent(op) => Some(format!(">{}", test.b)),
        CONDITION_BETWEEN if test.b == u64::MAX && !may_be_absent(op) => Some(format!("<{}", test.a)),
        CONDITION_ANY_BIT if holds => Some(format!("&{:#x}", test.a)),
        CONDITION_BETWEEN | CONDITION_ANY_BIT | CONDITION_KIND => None,
        _ if holds => {
            let patterns = text_patterns(test, op, texts, arguments, rules)?;
            match patterns.terms.as_slice() {
                [term] if patterns.exact && term.except.is_empty() => Some(term.pattern.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The texts a test is about.
fn text_patterns(
    test: &Test,
    op: Op,
    texts: &TextClasses,
    arguments: &Arguments<'_>,
    rules: &Candidates,
) -> Option<Patterns> {
    let (inventory, inputs) = arguments.inventory(op, test.field)?;
    let set = texts.sets().get(test.set as usize)?;
    let within = inventory
        .class_of
        .iter()
        .filter(|(_, class)| set.contains(**class))
        .map(|(place, _)| *place)
        .collect();
    let language = Language::of_places(&inventory.product, &within, inputs)?;
    // Paths are canonical here and not in a tuple's own pattern, so their candidates are others.
    let none = Candidates::none(inputs, rules.effort());
    Some(describe(&language, if inputs == Inputs::All { rules } else { &none }))
}

/// The test in words.
fn said(test: &Test, op: Op, texts: &TextClasses, arguments: &Arguments<'_>, rules: &Candidates) -> String {
    let name = match test.field {
        FIELD_UID => "uid",
        FIELD_GID => "gid",
        FIELD_KIND => "kind",
        place => op.spec().args.get(usize::from(place)).map_or("argument", |spec| spec.name),
    };
    let holds = test.holds == 1;
    let not = if holds { "" } else { "not " };
    match test.condition {
        CONDITION_BETWEEN if test.a == test.b => format!("{name} {not}{}", number(test.a, op, test.field)),
        CONDITION_BETWEEN => {
            format!("{name} {not}{}..{}", number(test.a, op, test.field), number(test.b, op, test.field))
        }
        CONDITION_ANY_BIT if holds => format!("{name} with a bit of {:#x}", test.a),
        CONDITION_ANY_BIT => format!("{name} without a bit of {:#x}", test.a),
        CONDITION_KIND => {
            let of = |kind: &Kind| test.a >> *kind as u32 & 1 == 1;
            let kinds: Vec<&str> = Kind::ALL.into_iter().filter(of).map(Kind::name).collect();
            format!("{name} {not}{}", kinds.join(" or "))
        }
        _ => match text_patterns(test, op, texts, arguments, rules) {
            Some(patterns) => format!("{name} {not}{}", patterns.words()),
            None => format!("{name} {not}of a set too large to be shown"),
        },
    }
}

/// `request` with values of a box for the fields it speaks of.
pub(super) fn fill(request: Request, part: &FieldBox, arguments: &Arguments<'_>) -> Option<Request> {
    let op = request.op();
    let mut args = request.args().to_vec();
    let mut filled = request;
    for (field, set) in (0u8..).zip(&part.0) {
        let Some(example) = set.as_ref().map(|set| set.example()) else { continue };
        let example = example?;
        let id = || match example {
            Example::Number(number) => u32::try_from(number).ok(),
            Example::Text(_) | Example::Kind(_) | Example::Absent => None,
        };
        match field {
            FIELD_UID => filled.uid = Some(id()?),
            FIELD_GID => filled.gid = Some(id()?),
            FIELD_KIND => {
                let Example::Kind(kind) = example else { return None };
                filled.kind = Some(kind);
            }
            place => {
                *args.get_mut(usize::from(place))? = match example {
                    Example::Number(number) => ArgValue::Number(number),
                    Example::Text(class) => {
                        ArgValue::Bytes(arguments.inventory(op, field)?.0.example(class)?)
                    }
                    Example::Absent => ArgValue::Absent,
                    Example::Kind(_) => return None,
                };
            }
        }
    }
    filled.with_args(args).ok()
}
