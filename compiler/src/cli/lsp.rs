//! `boesfsc lsp`.

use std::io::{self, BufReader};

use boesfs_compiler::editor::server::{Ended, serve};
use clap::Args;

use super::{CommandError, Exit};

/// Arguments of `lsp`.
#[derive(Debug, Args)]
#[command(after_help = "\
An editor starts it and speaks the Language Server Protocol with it: findings while you write, what words mean,
completion, definitions and references, renaming, formatting, fixes. docs/editors.md says how to set up VS Code,
Neovim, Helix, Emacs and others.

Exit status: 0 after `shutdown` and `exit`, 1 if the editor goes away without.

Examples:
  boesfsc lsp
  boesfsc lsp --stdio")]
pub(super) struct LspArgs {
    /// Speak on standard input and output, which is the only way there is; some editors say so.
    #[arg(long)]
    stdio: bool,
}

impl LspArgs {
    pub(super) fn run(&self) -> Result<Exit, CommandError> {
        Ok(match serve(BufReader::new(io::stdin()), io::stdout())? {
            Ended::Properly => Exit::Fine,
            Ended::Abruptly => Exit::Refused,
        })
    }
}
