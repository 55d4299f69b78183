//! Policies and images as comparisons and queries take them.

use std::path::Path;

use boesfs_abi::image::ValidImage;
use boesfs_compiler::compare::{CompareError, Limits, Side};
use boesfs_compiler::model::Model;
use boesfs_compiler::pipeline::Stage;
use clap::Args;
use serde_json::json;

use super::given::{Reading, Subject};
use super::{CommandError, Exit, Format, Screen};

/// How much a comparison may take.
#[derive(Debug, Args)]
pub(super) struct ComparingLimits {
    /// Pairs of states that one path may lead to.
    #[arg(long, value_name = "N", default_value_t = Limits::default().places, help_heading = "Limits", hide_short_help = true)]
    max_pairs: usize,
    /// Parts of one finding that are shown.
    #[arg(long, value_name = "N", default_value_t = Limits::default().parts)]
    max_parts: usize,
}

impl ComparingLimits {
    /// The limits, with `findings` of them shown.
    pub(super) fn limits(&self, reading: &Reading, findings: usize) -> Limits {
        Limits { places: self.max_pairs, boxes: reading.max_boxes(), findings, parts: self.max_parts }
    }
}

impl From<CompareError> for CommandError {
    fn from(error: CompareError) -> Self {
        Self::World(error.to_string())
    }
}

/// A policy that can be compared.
pub(super) struct Loaded {
    subject: Subject,
    name: String,
}

impl Loaded {
    /// What is in `policy`; how the command ends if it has errors, which are told.
    pub(super) fn new(
        reading: &Reading,
        policy: &Path,
        model: Option<&Path>,
        screen: &mut Screen,
    ) -> Result<Result<Self, Exit>, CommandError> {
        let subject = reading.subject_of(policy, model, Stage::LAST)?;
        if let Subject::Text(outcome) = &subject
            && (!outcome.is_sound() || outcome.packed.is_none())
        {
            let exit = reading.report(outcome, screen)?;
            if screen.format == Format::Json {
                screen.json(&json!({
                    "version": 1,
                    "policy": policy.display().to_string(),
                    "diagnostics": Reading::json(outcome),
                }))?;
            }
            return Ok(Err(exit.max(Exit::Refused)));
        }
        Ok(Ok(Self { subject, name: policy.display().to_string() }))
    }

    /// The image, with the names of its sources.
    pub(super) fn side(&self) -> Option<Side<'_>> {
        Some(match &self.subject {
            Subject::Image(image) => {
                Side { image, files: vec![self.name.clone(), format!("{} (model)", self.name)] }
            }
            Subject::Text(outcome) => Side {
                image: &outcome.packed.as_ref()?.image,
                files: outcome.tree.sources.iter().map(|source| source.name.clone()).collect(),
            },
        })
    }

    /// The image.
    pub(super) fn image(&self) -> Option<&ValidImage> {
        match &self.subject {
            Subject::Image(image) => Some(image),
            Subject::Text(outcome) => outcome.packed.as_ref().map(|packed| &packed.image),
        }
    }

    /// The model, if there is a text.
    pub(super) fn model(&self) -> Option<&Model> {
        match &self.subject {
            Subject::Image(_) => None,
            Subject::Text(outcome) => outcome.model.as_ref(),
        }
    }
}
