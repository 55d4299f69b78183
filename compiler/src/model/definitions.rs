//! The definitions by section and type, each once.

use boesfs_grammar::{Definition, Expr, SectionKind, Span, SyntaxTree, Value, Word};

use crate::diagnostic::Diagnostic;

/// What the model sections define. Duplicates and unknown keys are reported and left out.
pub(super) struct Definitions<'t> {
    kept: Vec<&'t Definition>,
    broken: &'t [SectionKind],
}

impl<'t> Definitions<'t> {
    pub(super) fn gather(tree: &'t SyntaxTree, out: &mut Vec<Diagnostic>) -> Self {
        let mut kept: Vec<&Definition> = Vec::new();
        let mut broken = tree.broken.as_slice();
        for definition in &tree.definitions {
            let (section, key) = (definition.section, &definition.key);
            if let Some(first) = kept.iter().find(|d| d.section == section && d.key.text == key.text) {
                out.push(
                    Diagnostic::error("E0105", format!("`{}` is defined twice", key.text), key.span)
                        .label("again here")
                        .secondary(first.key.span, "first here")
                        .help(match section {
                            SectionKind::Options => "remove one of them".to_owned(),
                            _ => format!("remove one of them, or call it `{}2`", key.text),
                        }),
                );
                continue;
            }
            if !known_key(section, &key.text) {
                let letter = letter(section);
                out.push(
                    Diagnostic::error(
                        "E0106",
                        format!("unknown key `{}` in `[{}]`", key.text, section.name()),
                        key.span,
                    )
                    .label(format!("expected `{letter}`"))
                    .help(format!("write `{letter} = …`, or `{letter}2`, `{letter}3`, … for further types")),
                );
                broken = &SectionKind::ALL;
                continue;
            }
            kept.push(definition);
        }
        let this = Self { kept, broken };
        this.missing(tree, out);
        this
    }

    /// Reports the sections that must be there and are not.
    fn missing(&self, tree: &SyntaxTree, out: &mut Vec<Diagnostic>) {
        let model = u16::try_from(tree.sources.len().saturating_sub(1)).unwrap_or(0);
        for kind in [
            SectionKind::Request,
            SectionKind::Policy,
            SectionKind::Effect,
            SectionKind::Matchers,
            SectionKind::Rules,
        ] {
            let header = tree.sections.iter().find(|section| section.kind == Some(kind));
            if kind == SectionKind::Rules {
                let meant = tree.sections.iter().any(|section| section.meant == Some(kind));
                let unread = self.broken.contains(&kind);
                if tree.sources.len() == 1 && header.is_none() && !meant && !unread {
                    out.push(
                        Diagnostic::error("E0104", "missing section `[policy]`", Span::default())
                            .help("add `[policy]` and the rules, or pass the rules' file beside `--model`"),
                    );
                }
                continue;
            }
            let broken = self.broken.contains(&kind)
                || tree.sections.iter().any(|section| section.meant == Some(kind));
            if broken {
                continue;
            }
            if let Some(first) = self.of(kind).next() {
                self.missing_for_types(kind, first, out);
                self.without_policy(kind, out);
                continue;
            }
            let letter = letter(kind);
            out.push(match header {
                Some(header) => Diagnostic::error(
                    "E0104",
                    format!("section `[{}]` defines no `{letter}`", kind.name()),
                    header.span,
                )
                .help(format!("add {}", example(kind))),
                None => Diagnostic::error(
                    "E0104",
                    format!("missing section `[{}]`", kind.name()),
                    Span { file: model, start: 0, end: 0 },
                )
                .help(format!("add `[{}]` and {}", kind.name(), example(kind))),
            });
        }
    }

    /// Reports the types that have nothing of a section, although others do.
    fn missing_for_types(&self, kind: SectionKind, first: &Definition, out: &mut Vec<Diagnostic>) {
        let letter = letter(kind);
        for suffix in self.types().into_iter().filter(|suffix| self.typed(kind, suffix).is_none()) {
            let wanted = if suffix.is_empty() {
                format!("`{letter}`")
            } else {
                format!("`{letter}{suffix}` or `{letter}`")
            };
            out.push(
                Diagnostic::error(
                    "E0104",
                    format!("section `[{}]` defines no {wanted} for `p{suffix}`", kind.name()),
                    first.key.span,
                )
                .label("of another type")
                .help(format!("call it `{letter}`, or add a definition that is")),
            );
        }
    }

    /// Reports what is of a type that no policy is of.
    fn without_policy(&self, kind: SectionKind, out: &mut Vec<Diagnostic>) {
        let types = self.types();
        if types.is_empty() || types.contains(&"") {
            return;
        }
        for definition in self.of(kind) {
            let suffix = &definition.key.text[1..];
            if !suffix.is_empty() && !types.contains(&suffix) {
                out.push(
                    Diagnostic::error(
                        "E0104",
                        format!("`[policy_definition]` defines no `p{suffix}` or `p` for this"),
                        definition.key.span,
                    )
                    .label("used by no policy")
                    .help("remove it, or define its policy"),
                );
            }
        }
    }

    /// The type suffixes (`""`, `2`, …) of policy definitions.
    pub(super) fn types(&self) -> Vec<&'t str> {
        self.of(SectionKind::Policy).map(|definition| &definition.key.text[1..]).collect()
    }

    /// The suffixes that have a request, an effect or a matcher of their own and share the unnumbered policy definition
    /// and its rules.
    pub(super) fn sharing(&self) -> Vec<&'t str> {
        let types = self.types();
        let mut sharing: Vec<&str> = Vec::new();
        if types.contains(&"") {
            for kind in [SectionKind::Request, SectionKind::Effect, SectionKind::Matchers] {
                let suffixes = self.of(kind).map(|definition| &definition.key.text[1..]);
                sharing.extend(suffixes.filter(|suffix| !types.contains(suffix)));
            }
        }
        sharing.sort_unstable();
        sharing.dedup();
        sharing
    }

    fn of(&self, section: SectionKind) -> impl Iterator<Item = &'t Definition> {
        self.kept.iter().copied().filter(move |definition| definition.section == section)
    }

    /// The definition of type `suffix` in `section`, or the unnumbered one.
    fn typed(&self, section: SectionKind, suffix: &str) -> Option<&'t Definition> {
        let exact = self.of(section).find(|definition| definition.key.text[1..] == *suffix);
        exact.or_else(|| self.of(section).find(|definition| definition.key.text.len() == 1))
    }

    /// Key and fields of the request definition for type `suffix`.
    pub(super) fn request(&self, suffix: &str) -> Option<(&'t Word, &'t [Word])> {
        names(self.typed(SectionKind::Request, suffix)?)
    }

    /// Key and columns of the policy definition for type `suffix`.
    pub(super) fn policy(&self, suffix: &str) -> Option<(&'t Word, &'t [Word])> {
        names(self.typed(SectionKind::Policy, suffix)?)
    }

    /// Tokens and place of the effect for type `suffix`.
    pub(super) fn effect(&self, suffix: &str) -> Option<(&'t [Word], Span)> {
        let definition = self.typed(SectionKind::Effect, suffix)?;
        match &definition.value {
            Some(Value::Tokens(tokens)) => {
                let span = tokens.first()?.span.to(tokens.last()?.span);
                Some((tokens, span))
            }
            _ => None,
        }
    }

    /// The matcher for type `suffix`.
    pub(super) fn matcher(&self, suffix: &str) -> Option<&'t Expr> {
        match &self.typed(SectionKind::Matchers, suffix)?.value {
            Some(Value::Matcher(matcher)) => Some(matcher),
            _ => None,
        }
    }
}

fn names(definition: &Definition) -> Option<(&Word, &[Word])> {
    match &definition.value {
        Some(Value::Names(names)) => Some((&definition.key, names)),
        _ => None,
    }
}

fn letter(section: SectionKind) -> &'static str {
    match section {
        SectionKind::Request => "r",
        SectionKind::Policy | SectionKind::Rules => "p",
        SectionKind::Role => "g",
        SectionKind::Effect => "e",
        SectionKind::Matchers => "m",
        SectionKind::Options => "subject",
    }
}

fn example(section: SectionKind) -> &'static str {
    match section {
        SectionKind::Request => "`r = sub, obj, act`",
        SectionKind::Policy => "`p = sub, obj, act, eft`",
        SectionKind::Role => "`g = _, _`",
        SectionKind::Effect => "`e = some(where (p.eft == allow)) && !some(where (p.eft == deny))`",
        SectionKind::Matchers => "`m = r.sub == p.sub && pathMatch(r.obj, p.obj) && r.act == p.act`",
        SectionKind::Rules => "the rules",
        SectionKind::Options => "`subject = exe`",
    }
}

/// Options are judged where they are read.
fn known_key(section: SectionKind, key: &str) -> bool {
    let numbered = |letter: char| {
        key.strip_prefix(letter).is_some_and(|rest| {
            rest.is_empty() || !rest.starts_with('0') && rest.bytes().all(|b| b.is_ascii_digit())
        })
    };
    match section {
        SectionKind::Request => numbered('r'),
        SectionKind::Policy => numbered('p'),
        SectionKind::Role => numbered('g') || key == "a",
        SectionKind::Effect => numbered('e'),
        SectionKind::Matchers => numbered('m'),
        SectionKind::Options | SectionKind::Rules => true,
    }
}
