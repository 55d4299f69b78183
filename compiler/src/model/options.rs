//! `[options]` to [`Options`].

use boesfs_abi::verdict::Effect;
use boesfs_grammar::{SectionKind, SyntaxTree, Value, Word};

use super::{Compat, Moves, Options, Shape, SubjectMode};
use crate::diagnostic::{Diagnostic, suggestion};

pub(super) const KEYS: [&str; 6] = ["subject", "use", "moves", "compat", "kill_after", "anonymous_exec"];

/// What `[options]` says, before the shape's defaults are filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    subject: Option<SubjectMode>,
    /// The type to compile, with its place.
    pub(super) select: Option<Word>,
    moves: Option<Moves>,
    /// The Casbin to imitate.
    pub(super) compat: Option<Compat>,
    kill_after: Option<u64>,
    anonymous_exec: Option<Effect>,
}

impl Chosen {
    /// Reads the section. Duplicates have been reported already; the first one counts.
    pub(super) fn read(tree: &SyntaxTree, out: &mut Vec<Diagnostic>) -> Self {
        let mut chosen = Self::default();
        for definition in tree.definitions.iter().filter(|d| d.section == SectionKind::Options) {
            let Some(Value::Text(value)) = &definition.value else { continue };
            let key = &definition.key;
            match key.text.as_str() {
                "subject" => set(
                    &mut chosen.subject,
                    value,
                    &[("exe", SubjectMode::Exe), ("entry", SubjectMode::Entry)],
                    out,
                ),
                "moves" => set(
                    &mut chosen.moves,
                    value,
                    &[("no-gain", Moves::NoGain), ("judged", Moves::Judged)],
                    out,
                ),
                "compat" => set(
                    &mut chosen.compat,
                    value,
                    &[("casbin-rs", Compat::CasbinRs), ("casbin-go", Compat::CasbinGo)],
                    out,
                ),
                "anonymous_exec" => set(
                    &mut chosen.anonymous_exec,
                    value,
                    &[("deny", Effect::Deny), ("allow", Effect::Allow)],
                    out,
                ),
                "use" => chosen.select = Some(value.clone()),
                "kill_after" => match value.text.parse::<u64>() {
                    Ok(count) if count > 0 => chosen.kill_after = Some(count),
                    _ => out.push(
                        Diagnostic::error("E0205", format!("`{}` is not a count", value.text), value.span)
                            .label("expected a positive number")
                            .help("write the number of the denial that kills, such as `kill_after = 10`"),
                    ),
                },
                other => out.push(
                    Diagnostic::error("E0204", format!("unknown option `{other}`"), key.span)
                        .label("not an option")
                        .maybe_meant(suggestion(other, KEYS, "the options")),
                ),
            }
        }
        chosen
    }

    /// The options of a policy of `shape`; `compat` of the command line goes before the text's.
    pub(super) fn options(&self, shape: Shape, compat: Option<Compat>) -> Options {
        let subject = self.subject.unwrap_or(match shape {
            Shape::Casbin => SubjectMode::Exe,
            Shape::Boesfs => SubjectMode::Entry,
        });
        Options {
            subject,
            moves: self.moves.unwrap_or(Moves::NoGain),
            kill_after: self.kill_after,
            anonymous_exec: self.anonymous_exec.unwrap_or(Effect::Deny),
            compat: compat.or(self.compat).unwrap_or(Compat::Boesfs),
        }
    }
}

fn set<T: Copy>(target: &mut Option<T>, value: &Word, words: &[(&str, T)], out: &mut Vec<Diagnostic>) {
    match words.iter().find(|(word, _)| *word == value.text) {
        Some((_, meaning)) => *target = target.or(Some(*meaning)),
        None => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            out.push(
                Diagnostic::error("E0205", format!("unknown value `{}`", value.text), value.span)
                    .label(format!("expected `{}`", known.join("` or `")))
                    .maybe_meant(suggestion(&value.text, known, "the values")),
            );
        }
    }
}
