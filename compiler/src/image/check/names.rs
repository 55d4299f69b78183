//! The section for people: the rules it names say what is decided where it names them.

use boesfs_abi::image::ValidImage;
use boesfs_abi::layout::NO_RULE;
use boesfs_abi::op::OpSet;
use boesfs_abi::request::is_canonical;
use boesfs_abi::verdict::Effect;

/// Whether each rule that is said to decide says so: a denial is by a rule that denies, and what is by default is by none.
pub(super) fn agree(image: &ValidImage) -> Result<String, String> {
    for literal in image.literals() {
        if !is_canonical(&literal.path) {
            return Err(format!("`{}` is no path", literal.path.escape_ascii()));
        }
    }
    let Some(debug) = image.debug() else {
        return Ok("none is named: stripped".to_owned());
    };
    let effect = |rule: u32| debug.rules.get(rule as usize).map(|rule| rule.effect);
    if let Some(wrong) = image.literals().iter().find(|literal| effect(literal.rule) != Some(literal.effect))
    {
        return Err(format!("`{}` is not of rule {}", wrong.path.escape_ascii(), wrong.rule));
    }
    let named = image.named();
    for number in 0..named.cell_count() {
        let cell = named.cell(number);
        let masks = OpSet::ALL.difference(OpSet::from_bits(cell.depend));
        for op in masks.iter() {
            let has = |mask: u32| OpSet::from_bits(mask).contains(op);
            let fits = match named.rule(number, op).map(effect) {
                Some(rule) => {
                    rule == Some(if has(cell.deny) { Effect::Deny } else { Effect::Allow })
                        && !has(cell.by_default)
                }
                None => !has(cell.deny) || has(cell.by_default),
            };
            if !fits {
                return Err(format!("cell {number} is not decided by the rule that it names for `{op}`"));
            }
        }
        let lists = [
            (cell.first, cell.first_count),
            (cell.denies, cell.denies_count),
            (cell.allows, cell.allows_count),
        ];
        for (place, entry) in lists.into_iter().flat_map(|(from, count)| image.entries(from, count)) {
            let rule = named.entry_rule(number, place).unwrap_or(NO_RULE);
            let wanted = if entry.deny == 1 { Effect::Deny } else { Effect::Allow };
            let fits = if entry.by_default == 1 { rule == NO_RULE } else { effect(rule) == Some(wanted) };
            if !fits {
                return Err(format!("line {place} of cell {number} is not of the rule that it names"));
            }
        }
    }
    Ok(format!(
        "{}, each says what is decided where it is named; {} cells with rules go with those that decide",
        debug.rules.len(),
        named.cell_count()
    ))
}
