//! The lint `script-subject`.

use std::collections::HashSet;

use super::Lint;
use super::findings::{Findings, visit};
use crate::diagnostic::Diagnostic;
use crate::model::{Expr, Operand, RequestField, SubjectMode};

/// A script as a subject: its interpreter is what runs.
pub static SCRIPT_SUBJECT: Lint = Lint {
    code: "W0333",
    name: "script-subject",
    finds: "a script as a subject: its interpreter is what runs",
    page: include_str!("script_subject.md"),
};

const ENDINGS: [&[u8]; 9] = [b".sh", b".bash", b".zsh", b".py", b".pl", b".rb", b".js", b".php", b".lua"];

pub(super) fn check(found: &mut Findings<'_>) {
    let model = found.model;
    if model.options.subject != SubjectMode::Exe {
        return;
    }
    let mut columns = Vec::new();
    let mut graphs = Vec::new();
    let sub = Operand::Request(RequestField::Sub);
    visit(&model.matcher, &mut |node| match &node.expr {
        Expr::Compare(_, left, Operand::Field(column)) if *left == sub => columns.push(*column),
        Expr::Role { graph, member, role: Operand::Field(column), .. } if *member == sub => {
            columns.push(*column);
            graphs.push(*graph);
        }
        _ => {}
    });
    let is_script =
        |text: &[u8]| text.starts_with(b"/") && ENDINGS.iter().any(|ending| text.ends_with(ending));
    let mut said: HashSet<&[u8]> = HashSet::new();
    let script = |text: &[u8], span| {
        let message =
            format!("`{}` seems to be a script, and never a subject", String::from_utf8_lossy(text));
        Diagnostic::warning(&SCRIPT_SUBJECT, message, span)
            .label("its interpreter runs")
            .help("name the interpreter, or use `subject = entry` under `[options]`")
    };
    for (index, rule) in model.rules.iter().enumerate() {
        for column in &columns {
            let field = &rule.fields[*column];
            if is_script(&field.text) && said.insert(&field.text) {
                found.on_rule(index, script(&field.text, field.span));
            }
        }
    }
    for graph in graphs {
        for edge in &model.roles[graph].edges {
            if is_script(&edge.member) && said.insert(&edge.member) {
                found.push(script(&edge.member, edge.span));
            }
        }
    }
}
