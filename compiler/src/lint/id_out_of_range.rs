//! The lint `id-out-of-range`.

use boesfs_abi::op::ArgType;
use boesfs_abi::request::parse_number;

use super::Lint;
use super::findings::{Findings, visit};
use crate::diagnostic::Diagnostic;
use crate::model::{Expr, Operand, RequestField};

/// A `uid` or `gid` compared with a number that is none.
pub static ID_OUT_OF_RANGE: Lint = Lint {
    code: "W0328",
    name: "id-out-of-range",
    finds: "a `uid` or `gid` compared with a number that is none",
    page: include_str!("id_out_of_range.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    let mut columns = Vec::new();
    let mut numbers = Vec::new();
    visit(&model.matcher, &mut |node| {
        let (left, right): (_, &[Operand]) = match &node.expr {
            Expr::Compare(_, left, right) => (left, std::slice::from_ref(right)),
            Expr::In(left, items) => (left, items),
            _ => return,
        };
        if !matches!(left, Operand::Request(RequestField::Uid | RequestField::Gid)) {
            return;
        }
        for side in right {
            match side {
                Operand::Number(number) if is_none(*number) => numbers.push((*number, node.span)),
                Operand::Field(column) => columns.push(*column),
                Operand::Number(_) | Operand::Request(_) | Operand::Text { .. } | Operand::Kind(_) => {}
            }
        }
    });
    for (number, span) in numbers {
        found.push(diagnostic(number, span));
    }
    if columns.is_empty() {
        return;
    }
    for (index, rule) in model.rules.iter().enumerate() {
        for column in &columns {
            let field = &rule.fields[*column];
            let number = std::str::from_utf8(&field.text).ok();
            let number = number.and_then(|text| parse_number(text, ArgType::Unsigned));
            if let Some(number) = number.filter(|number| is_none(*number)) {
                found.on_rule(index, diagnostic(number, field.span));
            }
        }
    }
}

fn is_none(number: u64) -> bool {
    number >= u64::from(u32::MAX)
}

fn diagnostic(number: u64, span: boesfs_grammar::Span) -> Diagnostic {
    Diagnostic::warning(&ID_OUT_OF_RANGE, format!("no caller has the id {number}"), span)
        .label("ids lie between 0 and 4294967294")
}
