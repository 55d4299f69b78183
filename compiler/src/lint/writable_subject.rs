//! The lint `writable-subject`.

use hashbrown::HashSet;

use boesfs_abi::op::Op;
use boesfs_abi::subjects::SubjectLiteral;
use boesfs_abi::verdict::Effect;

use super::Lint;
use super::automaton::{Automaton, spelt};
use super::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::model::SubjectMode;
use crate::shown::shown;

/// A program with rights of its own that the policy lets somebody write.
pub static WRITABLE_SUBJECT: Lint = Lint {
    code: "W0412",
    name: "writable-subject",
    finds: "a program with rights of its own that the policy lets somebody write",
    page: include_str!("writable_subject.md"),
};

/// How many classes are asked whether they may write.
const ASKED: u32 = 16;

/// How many programs are looked at.
const PROGRAMS: usize = 256;

pub(super) fn check(policy: &Automaton<'_>, found: &mut Findings<'_>) {
    let model = policy.model;
    if model.options.subject != SubjectMode::Exe {
        return;
    }
    let paths: HashSet<&[u8]> = policy
        .rules
        .subjects
        .literals
        .iter()
        .filter_map(|literal| match literal {
            SubjectLiteral::Path(path) => Some(path.as_slice()),
            SubjectLiteral::Name(_) => None,
        })
        .collect();
    let mut said: HashSet<&[u8]> = HashSet::new();
    let mut more = 0;
    for (index, rule) in model.rules.iter().enumerate() {
        if rule.eft != Effect::Allow || !policy.decides[index] {
            continue;
        }
        for field in rule.fields.iter().filter(|field| field.text.starts_with(b"/")) {
            let text = field.text.as_slice();
            if !paths.contains(text) || !said.insert(text) {
                continue;
            }
            if said.len() > PROGRAMS {
                more += 1;
                continue;
            }
            // The field is a subject only if the rule is about that program.
            let class = policy.compiled.subjects.class_of(text, None);
            let about = policy.rules.rules[index].terms.iter().any(|term| {
                term.classes.len() < policy.compiled.class_count as usize && term.classes.contains(&class)
            });
            if !about {
                continue;
            }
            let writes = |class: &u32| policy.allows(*class, Op::Write, text);
            let Some(writer) = (0..policy.compiled.class_count.min(ASKED)).find(writes) else { continue };
            let Some(request) = policy.request(writer, Op::Write, text) else { continue };
            let mut diagnostic = Diagnostic::warning(
                &WRITABLE_SUBJECT,
                format!("the program `{}` can be written", shown(text)),
                field.span,
            )
            .label("who writes it has its rights")
            .because(format!("for example {} is allowed", spelt(&request)))
            .help("deny `@modify` of the program's file");
            if let Some(allows) = policy.decider(writer, Op::Write, text) {
                diagnostic = diagnostic.secondary(model.rules[allows].span, "allows `write`");
            }
            found.witness(&WRITABLE_SUBJECT, index, &request, None);
            found.on_rule(index, diagnostic);
        }
    }
    if more > 0 {
        found.cut(&WRITABLE_SUBJECT, format!("{more} programs more were not looked at"));
    }
}
