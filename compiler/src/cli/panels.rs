//! Whom a request is put to: under `compat` each word that is no operation has a model of its own.

use std::collections::HashMap;

use boesfs_abi::request::Request;
use boesfs_compiler::ask::{EngineKind, Panel, Question};
use boesfs_compiler::model::Model;
use boesfs_compiler::pipeline::Outcome;

/// A policy that is asked, and what it is to those who ask about words.
pub(super) struct Panels<'p> {
    panel: Panel<'p>,
    words: Option<Words<'p>>,
}

/// How the policy is read for a word.
struct Words<'p> {
    read: &'p dyn Fn(&str) -> Outcome,
    engine: EngineKind,
    dir: &'p [u8],
    known: HashMap<String, Outcome>,
}

impl<'p> Panels<'p> {
    /// The same for every request.
    pub(super) fn one(panel: Panel<'p>) -> Self {
        Self { panel, words: None }
    }

    /// `panel` for operations; for another word what `read` makes of the policy, if it takes words.
    pub(super) fn by_word(
        panel: Panel<'p>,
        read: &'p dyn Fn(&str) -> Outcome,
        engine: EngineKind,
        dir: &'p [u8],
    ) -> Self {
        let takes_words = panel.model().is_some_and(Model::takes_words);
        let words = takes_words.then(|| Words { read, engine, dir, known: HashMap::new() });
        Self { panel, words }
    }

    /// What `ask` says of the request that `question` means; the error says why it means none.
    pub(super) fn about<T>(
        &mut self,
        question: &Question,
        ask: impl FnOnce(&Panel<'_>, Request) -> T,
    ) -> Result<T, String> {
        let request = |panel: &Panel<'_>| panel.request(question).map_err(|error| error.to_string());
        let (Some(word), Some(words)) = (question.word(), &mut self.words) else {
            return Ok(ask(&self.panel, request(&self.panel)?));
        };
        let outcome = words.known.entry(word.to_owned()).or_insert_with(|| (words.read)(word));
        let panel = Panel::of_text(outcome, words.engine, words.dir)
            .ok_or_else(|| format!("the policy has errors where `{word}` is asked about"))?;
        Ok(ask(&panel, request(&panel)?))
    }
}
