//! The library's front door: text to a [`Policy`], a policy to an [`Image`], a request to an [`Answer`].
//!
//! Everything here is made of the stages below it and adds nothing to what they know.

use std::fmt;
use std::path::Path;

use boesfs_abi::image::{ImageError, ValidImage, decode};
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;
use boesfs_grammar::{Limits, Source};

use crate::ask::{Decider, Panel};
use crate::compare::{self, CompareError, Comparison, Side, compare};
use crate::diagnostic::human::{Colour, render_only};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Allow, Model, Settings};
use crate::pipeline::{self, Outcome, Stage};
use crate::reference::Reference;
use crate::validate::Effort;
use crate::{LoadError, Sources, explain};

/// A policy that has no errors, as its author wrote it.
///
/// ```
/// use boesfs_compiler::{Op, Policy, Request, Verdict};
///
/// let policy = Policy::parse(
///     "[request_definition]
///      r = sub, obj, act
///      [policy_definition]
///      p = obj, act, eft
///      [policy_effect]
///      e = !some(where (p.eft == deny))
///      [matchers]
///      m = pathMatch(r.obj, p.obj) && r.act == p.act
///      [policy]
///      #@ id=no-keys
///      p, /srv/**/*.key, read, deny",
/// )?;
/// let request = Request::new(b"/bin/cat", b"/srv/tls/site.key", Op::Read)?;
///
/// let answer = policy.evaluate(&request);
/// assert_eq!(answer.verdict, Verdict::Deny);
/// assert_eq!(answer.rule.unwrap().id, "no-keys");
///
/// // The image gives the same answer, and is what `boesfs run` enforces.
/// let image = policy.compile()?;
/// assert_eq!(image.evaluate(&request).verdict, Verdict::Deny);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    sources: Vec<Source>,
    settings: Settings,
    model: Model,
    findings: Vec<Diagnostic>,
}

/// Why a text is no policy, or a policy no image: what its author is told, with the lines it is about.
///
/// ```
/// let rejected = boesfs_compiler::Policy::parse("[matcher]\n").unwrap_err();
/// assert!(rejected.to_string().contains("did you mean `matchers`?"));
/// assert!(rejected.errors().any(|error| error.code == "E0102"));
/// ```
#[derive(Clone, Debug)]
pub struct Rejected {
    sources: Vec<Source>,
    diagnostics: Vec<Diagnostic>,
}

/// A compiled policy, read back from its bytes and checked.
#[derive(Clone, Debug)]
pub struct Image {
    file: Vec<u8>,
    image: ValidImage,
}

/// What a request gets.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it is allowed, exactly as asked.
    pub verdict: Verdict,
    /// The rule that decided; `None` if the effect's default did, or if an image has no rule texts.
    pub rule: Option<Decider>,
    /// Denied only because some value of what the request leaves open is denied.
    pub unknown: bool,
}

/// How a policy is read, for what [`Policy::parse`] leaves at its defaults.
///
/// ```
/// use boesfs_compiler::Policy;
///
/// // A two-file policy, as Casbin has them, in which a lint that denies is let pass.
/// let policy = Policy::options().allow("inert-rule").model("\
/// [request_definition]
/// r = sub, obj, act
/// [policy_definition]
/// p = sub, obj, act
/// [policy_effect]
/// e = some(where (p.eft == allow))
/// [matchers]
/// m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
/// ").parse("p, cat, /etc/passwd, read")?;
/// assert_eq!(policy.rules().count(), 1);
/// # Ok::<(), boesfs_compiler::Rejected>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    settings: Settings,
    model: Option<Vec<u8>>,
}

impl Options {
    /// The model of a two-file policy.
    #[must_use]
    pub fn model(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.model = Some(text.into());
        self
    }

    /// Lets the findings of one lint pass, or of `all`.
    #[must_use]
    pub fn allow(mut self, lint: &str) -> Self {
        self.settings.allow = match self.settings.allow {
            Allow::All => Allow::All,
            Allow::None | Allow::Named(_) if lint == "all" => Allow::All,
            Allow::None => Allow::Named(vec![lint.to_owned()]),
            Allow::Named(mut names) => {
                names.push(lint.to_owned());
                Allow::Named(names)
            }
        };
        self
    }

    /// The policy type to compile, such as `p2`.
    #[must_use]
    pub fn select(mut self, policy_type: &str) -> Self {
        self.settings.select = Some(policy_type.to_owned());
        self
    }

    /// How large the text may be.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// The policy in `text`.
    ///
    /// # Errors
    /// [`Rejected`] if it has errors.
    pub fn parse(self, text: impl Into<Vec<u8>>) -> Result<Policy, Rejected> {
        let mut sources = vec![Source::new("policy", text)];
        sources.extend(self.model.map(|model| Source::new("model", model)));
        Policy::of(sources, self.settings)
    }
}

impl Policy {
    /// The policy in `text`, one file with its model.
    ///
    /// # Errors
    /// [`Rejected`] if it has errors.
    pub fn parse(text: impl Into<Vec<u8>>) -> Result<Self, Rejected> {
        Self::options().parse(text)
    }

    /// How a policy is read, to be changed before [`Options::parse`].
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    /// The policy in the file `path`.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be read, or has errors.
    ///
    /// ```no_run
    /// let policy = boesfs_compiler::Policy::open("policy.conf")?;
    /// # Ok::<(), boesfs_compiler::OpenError>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let settings = Settings::default();
        let sources = Sources::One(path.as_ref().to_owned()).load(&settings.limits)?;
        Ok(Self::of(sources, settings)?)
    }

    fn of(sources: Vec<Source>, settings: Settings) -> Result<Self, Rejected> {
        let mut outcome =
            pipeline::run(sources.clone(), &settings, &pipeline::Limits::default(), Stage::Model);
        match outcome.model.take() {
            Some(model) if outcome.is_sound() => {
                Ok(Self { sources, settings, model, findings: outcome.diagnostics })
            }
            _ => Err(Rejected { sources, diagnostics: outcome.diagnostics }),
        }
    }

    /// Takes the policy through all stages: what there is to warn of, or what is in the way of an image.
    ///
    /// # Errors
    /// [`Rejected`] if it cannot be compiled, or a limit is hit.
    ///
    /// ```
    /// # let text = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n\
    /// # [policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\n\
    /// # m = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n[policy]\np, cat, /etc/passwd, read";
    /// let policy = boesfs_compiler::Policy::parse(text)?;
    /// for finding in policy.check()? {
    ///     println!("{}: {}", finding.code, finding.message);
    /// }
    /// # Ok::<(), boesfs_compiler::Rejected>(())
    /// ```
    pub fn check(&self) -> Result<Vec<Diagnostic>, Rejected> {
        Ok(self.compiled()?.diagnostics)
    }

    /// What was found while it was read: warnings and notes.
    #[must_use]
    pub fn findings(&self) -> &[Diagnostic] {
        &self.findings
    }

    /// Its rules, in file order.
    pub fn rules(&self) -> impl Iterator<Item = &crate::model::Rule> {
        self.model.rules.iter()
    }

    /// Compiles it. The image has been read back from its bytes and compared with the rules.
    ///
    /// # Errors
    /// [`Rejected`] if it cannot be compiled, or a limit is hit.
    pub fn compile(&self) -> Result<Image, Rejected> {
        let limits = pipeline::Limits::default();
        let (mut outcome, _) =
            pipeline::build(self.sources.clone(), &self.settings, &limits, Effort::default());
        match outcome.packed.take() {
            Some(packed) if outcome.is_sound() => Ok(Image { file: packed.file, image: packed.image }),
            _ => Err(Rejected { sources: outcome.tree.sources, diagnostics: outcome.diagnostics }),
        }
    }

    fn compiled(&self) -> Result<Outcome, Rejected> {
        let limits = pipeline::Limits::default();
        let outcome = pipeline::run(self.sources.clone(), &self.settings, &limits, Stage::LAST);
        if outcome.is_sound() {
            return Ok(outcome);
        }
        Err(Rejected { sources: outcome.tree.sources, diagnostics: outcome.diagnostics })
    }

    /// Decides `request` by reading the rules one by one. For many requests, [`Policy::compile`] and ask the image.
    #[must_use]
    pub fn evaluate(&self, request: &Request) -> Answer {
        let decision = Reference::new(&self.model).decide(request);
        let rule = decision.rule.map(|rule| self.decider(rule));
        Answer { verdict: decision.verdict, rule, unknown: decision.unknown }
    }

    /// Rules that would give `request` the other answer if one condition held: each as a line of text.
    #[must_use]
    pub fn near_misses(&self, request: &Request) -> Vec<String> {
        let reference = Reference::new(&self.model);
        let explanation = explain::explain(&reference, &self.model, request);
        explanation.decisive(&self.model).map(|miss| miss.text(&self.model, &self.sources)).collect()
    }

    fn decider(&self, index: usize) -> Decider {
        let rule = &self.model.rules[index];
        Decider {
            index: Some(index),
            id: rule.annotations.id.clone().unwrap_or_else(|| rule.line.to_string()),
            file: self.sources.get(rule.file as usize).map_or_else(String::new, |file| file.name.clone()),
            line: rule.line,
            text: rule.text.to_string(),
            reason: rule.annotations.reason.as_deref().map(str::to_owned),
        }
    }
}

impl Image {
    /// The image in `file`, once it has passed every check.
    ///
    /// # Errors
    /// [`ImageError`] if it is none.
    ///
    /// ```
    /// assert!(boesfs_compiler::Image::decode(b"not an image".to_vec()).is_err());
    /// ```
    pub fn decode(file: Vec<u8>) -> Result<Self, ImageError> {
        Ok(Self { image: decode(&file)?, file })
    }

    /// The bytes of the file that `boesfs run` takes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.file
    }

    /// Its content's id: the same for the same policy text.
    #[must_use]
    pub fn id(&self) -> String {
        self.image.id_hex()
    }

    /// Decides `request`.
    #[must_use]
    pub fn evaluate(&self, request: &Request) -> Answer {
        let (verdict, rule, unknown) = Panel::of_image(&self.image, b"/").decide(request);
        Answer { verdict, rule, unknown }
    }

    /// Whether a call that makes `request` may go on where `dir` is protected: the decision, and all that the call
    /// needs besides.
    #[must_use]
    pub fn allows_call(&self, request: &Request, dir: &[u8]) -> Verdict {
        Panel::of_image(&self.image, dir).effective(request).verdict
    }
}

impl Rejected {
    /// What is said, errors among it.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The errors alone.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<Diagnostic> = self.errors().cloned().collect();
        f.write_str(render_only(&errors, &self.sources, Colour::Never).trim_end())
    }
}

impl std::error::Error for Rejected {}

/// What two policies decide differently: exactly, over all requests. Printed, it names the rules to blame.
#[derive(Clone, Debug)]
pub struct Difference(Comparison);

/// What `old` and `new` decide differently.
///
/// # Errors
/// [`CompareError`] if the two are so different that a limit is exceeded.
///
/// ```
/// # let model = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = obj, act, eft\n\
/// # [policy_effect]\ne = !some(where (p.eft == deny))\n[matchers]\n\
/// # m = pathMatch(r.obj, p.obj) && r.act == p.act\n";
/// use boesfs_compiler::{Options, Policy, diff};
///
/// let compile = |rules: &str| Policy::options().model(model).parse(rules)?.compile();
/// let old = compile("p, /srv/**, write, deny\np, /srv/keys, read, deny")?;
/// let same = compile("p, /srv/keys, read, deny\np, /srv/**, write, deny\np, /srv/a, write, deny")?;
/// assert!(diff(&old, &same)?.is_equal());
///
/// let looser = compile("p, /srv/*, write, deny\np, /srv/keys, read, deny")?;
/// let difference = diff(&old, &looser)?;
/// let witness = difference.witnesses().next().unwrap();
/// assert_ne!(old.evaluate(witness).verdict, looser.evaluate(witness).verdict);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn diff(old: &Image, new: &Image) -> Result<Difference, CompareError> {
    let side = |image| Side { image, files: vec!["policy".to_owned(), "model".to_owned()] };
    compare(&side(&old.image), &side(&new.image), false, compare::Limits::default()).map(Difference)
}

impl Difference {
    /// Whether it was proved that there is no difference.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.0.is_equal()
    }

    /// A request of each part of each change that is described.
    pub fn witnesses(&self) -> impl Iterator<Item = &Request> {
        self.0.changes.iter().flat_map(|change| &change.parts).map(|part| &part.witness)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.human())
    }
}

/// The canonical form of a policy's text, with every comment kept; formatting it again changes nothing.
///
/// # Errors
/// [`Rejected`] if the text is not understood.
///
/// ```
/// let text = boesfs_compiler::format("[matchers]\nm=r.sub==p.sub  # who\n")?;
/// assert_eq!(text, b"[matchers]\nm = r.sub == p.sub # who\n");
/// # Ok::<(), boesfs_compiler::Rejected>(())
/// ```
pub fn format(text: impl Into<Vec<u8>>) -> Result<Vec<u8>, Rejected> {
    let source = Source::new("policy", text);
    boesfs_grammar::format(&source, &Limits::default()).map_err(|errors| Rejected {
        diagnostics: errors.into_iter().map(Diagnostic::from).collect(),
        sources: vec![source],
    })
}

/// Why [`Policy::open`] gave no policy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It has errors.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}
