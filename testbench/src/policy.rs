//! A policy, from its text through every stage, so that each engine finds the one it decides on.

use std::fmt;

use boesfs_abi::image::ValidImage;
use boesfs_compiler::automaton::Compiled;
use boesfs_compiler::diagnostic::{Diagnostic, Severity};
use boesfs_compiler::model::{Allow, Model, Settings};
use boesfs_compiler::pipeline::{self, Limits, Stage};
use boesfs_compiler::rules::RuleSet;
use boesfs_grammar::Source;

use crate::question::Because;

/// A policy as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// What it is called in reports.
    pub name: String,
    /// The policy, or all of it in the one-file form.
    pub policy: Vec<u8>,
    /// The model, in the two-file form.
    pub model: Option<Vec<u8>>,
    /// Lints that are allowed; `all` for every one.
    pub allow: Vec<String>,
}

impl PolicySource {
    /// A policy in the one-file form.
    #[must_use]
    pub fn whole(name: &str, text: &str) -> Self {
        Self { name: name.into(), policy: text.into(), model: None, allow: vec!["all".into()] }
    }
}

/// A policy in every form it takes.
#[derive(Debug)]
pub struct Policy {
    model: Model,
    rules: RuleSet,
    compiled: Compiled,
    file: Vec<u8>,
    image: ValidImage,
}

/// Why a policy was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    errors: Vec<Diagnostic>,
    lengths: Vec<usize>,
}

impl Refused {
    /// Whether something is said, and every place it points at is one.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        let placed = |error: &Diagnostic| {
            let span = error.span();
            !error.message.is_empty()
                && span.start <= span.end
                && self.lengths.get(usize::from(span.file)).is_some_and(|length| span.end as usize <= *length)
        };
        !self.errors.is_empty() && self.errors.iter().all(placed)
    }

    /// Whether some error has this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.errors.is_empty() {
            f.write_str("no reason given")?;
        }
        for (index, error) in self.errors.iter().enumerate() {
            let span = error.span();
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} at {}:{}: {}", error.code, span.file, span.start, error.message)?;
        }
        Ok(())
    }
}

const ALLOWING_ALL: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n\
    [policy_effect]\ne = !some(where (p.eft == deny))\n[matchers]\nm = r.obj == p.obj && r.act == p.act\n[policy]\n";

impl Policy {
    /// Takes `source` through every stage.
    ///
    /// # Errors
    /// [`Refused`] with what is wrong with it.
    pub fn compile(source: &PolicySource) -> Result<Self, Refused> {
        let mut sources = vec![Source::new(source.name.clone(), source.policy.clone())];
        sources.extend(source.model.as_ref().map(|model| Source::new("model", model.clone())));
        let lengths: Vec<usize> = sources.iter().map(|source| source.bytes.len()).collect();
        let allow = if source.allow.iter().any(|lint| lint == "all") {
            Allow::All
        } else {
            Allow::Named(source.allow.clone())
        };
        let settings = Settings { allow, ..Settings::default() };
        let outcome = pipeline::run(sources, &settings, &Limits::default(), Stage::LAST);
        let sound = outcome.is_sound();
        match (outcome.model, outcome.rules, outcome.dfa, outcome.packed) {
            (Some(model), Some(rules), Some(compiled), Some(packed)) if sound => {
                Ok(Self { model, rules, compiled, file: packed.file, image: packed.image })
            }
            _ => {
                let mut errors = outcome.diagnostics;
                errors.retain(|error| error.severity == Severity::Error);
                Err(Refused { errors, lengths })
            }
        }
    }

    /// The same policy with an image that decides otherwise, to see that it is noticed.
    #[must_use]
    pub fn with_image(mut self, file: Vec<u8>, image: ValidImage) -> Self {
        self.file = file;
        self.image = image;
        self
    }

    /// The same policy with a model that decides otherwise, to see that it is noticed.
    #[must_use]
    pub fn with_model(mut self, change: impl FnOnce(&mut Model)) -> Self {
        change(&mut self.model);
        self
    }

    /// The same policy with an automaton that decides otherwise, to see that it is noticed.
    #[must_use]
    pub fn with_compiled(mut self, change: impl FnOnce(&mut Compiled)) -> Self {
        change(&mut self.compiled);
        self
    }

    /// A policy that denies nothing.
    #[must_use]
    pub fn allowing_all() -> Self {
        Self::compile(&PolicySource::whole("allowing-all", ALLOWING_ALL))
            .expect("INVARIANT: a policy without rules compiles")
    }

    /// The policy with names bound and fields typed.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The policy reduced to what decides.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The automaton in memory.
    #[must_use]
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The image as a file.
    #[must_use]
    pub fn image_file(&self) -> &[u8] {
        &self.file
    }

    /// The image read back.
    #[must_use]
    pub fn image(&self) -> &ValidImage {
        &self.image
    }

    /// Whether `name` is the id or the line of the rule with this index.
    #[must_use]
    pub fn rule_is(&self, rule: u32, name: &str) -> bool {
        self.model
            .rules
            .get(rule as usize)
            .is_some_and(|rule| rule.annotations.id.as_deref() == Some(name) || rule.line.to_string() == name)
    }

    /// What decided, for people.
    #[must_use]
    pub fn describe(&self, because: Because) -> String {
        match because {
            Because::Default => "the default".into(),
            Because::Untold => "something untold".into(),
            Because::Rule(index) => match self.model.rules.get(index as usize) {
                Some(rule) => format!("line {} `{}`", rule.line, rule.text),
                None => format!("a rule {index} that there is not"),
            },
        }
    }
}
