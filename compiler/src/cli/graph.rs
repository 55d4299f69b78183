//! `boesfsc graph`.

use std::io::Write as _;
use std::path::PathBuf;

use boesfs_compiler::graph::Graph;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::compared::Loaded;
use super::given::Reading;
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `graph`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boesfsc graph policy.conf --what roles
  boesfsc graph policy.conf --what automaton --output svg > automaton.svg
  boesfsc graph policy.bin --what classes | dot -Tpng > classes.png")]
pub(super) struct GraphArgs {
    /// The policy, or an image.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// What to draw.
    #[arg(long, value_enum)]
    what: WhatArg,
    /// In which language.
    #[arg(long, value_enum, default_value_t = OutputArg::Dot)]
    output: OutputArg,
    /// The most nodes that are drawn.
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_nodes: usize,
    #[command(flatten)]
    reading: Reading,
}

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WhatArg {
    /// Who has which role.
    Roles,
    /// The states of the path automaton, with the rules that meet there.
    Automaton,
    /// The classes into which programs and domains fall.
    Classes,
}

/// In which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputArg {
    /// Graphviz's.
    Dot,
    /// A picture.
    Svg,
}

impl GraphArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let model = self.reading.model.as_deref();
        let loaded = match Loaded::new(&self.reading, &self.policy, model, screen)? {
            Ok(loaded) => loaded,
            Err(exit) => return Ok(exit),
        };
        let Some(image) = loaded.image() else { return Ok(Exit::Refused) };
        let graph = match (self.what, loaded.model()) {
            (WhatArg::Roles, Some(model)) => Graph::roles(model, self.max_nodes),
            (WhatArg::Roles, None) => {
                return Err(CommandError::Usage(format!(
                    "`{}` is an image, which holds no roles: give the policy's text",
                    self.policy.display()
                )));
            }
            (WhatArg::Automaton, _) => Graph::automaton(image, self.max_nodes),
            (WhatArg::Classes, _) => Graph::classes(image, self.max_nodes),
        };
        let graph = graph.map_err(|error| CommandError::World(error.to_string()))?;
        match (screen.format, self.output) {
            (Format::Human, OutputArg::Dot) => screen.out.write_all(graph.dot().as_bytes())?,
            (Format::Human, OutputArg::Svg) => screen.out.write_all(graph.svg().as_bytes())?,
            (Format::Json, _) => {
                let edges = graph
                    .edges
                    .iter()
                    .map(|(from, to, label)| json!({"from": from, "to": to, "label": label}));
                screen.json(&json!({
                    "version": 1,
                    "nodes": graph.nodes,
                    "edges": edges.collect::<Vec<_>>(),
                }))?;
            }
        }
        Ok(Exit::Fine)
    }
}
