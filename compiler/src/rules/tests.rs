//! Lowering against the reference, on data and on random policies.

mod random;
mod scale;

use boesfs_grammar::Source;

use crate::model::{Allow, Model, Settings, resolve};

/// The model of a policy, its error-level lints allowed; the messages, if it has none.
fn model(model: Option<&str>, policy: &str) -> Result<Model, Vec<String>> {
    let settings = Settings { allow: Allow::All, ..Settings::default() };
    let mut sources = vec![Source::new("policy", policy.as_bytes())];
    sources.extend(model.map(|model| Source::new("model", model.as_bytes())));
    let parsed = boesfs_grammar::parse(sources, &settings.limits);
    if !parsed.errors.is_empty() {
        return Err(parsed.errors.iter().map(|error| format!("{error:?}")).collect());
    }
    let (model, diagnostics) = resolve(&parsed.tree, &settings);
    model.ok_or_else(|| diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect())
}
