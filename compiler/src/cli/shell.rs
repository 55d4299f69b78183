//! `boesfsc completions` and `boesfsc man`: what shells and people read about the command line itself.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, CommandError, Exit, Screen};

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boesfsc completions bash > /etc/bash_completion.d/boesfsc
  boesfsc completions zsh > /usr/local/share/zsh/site-functions/_boesfsc
  boesfsc completions fish > ~/.config/fish/completions/boesfsc.fish")]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "boesfsc", &mut script);
        screen.out.write_all(&script)?;
        Ok(Exit::Fine)
    }
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boesfsc man | man -l -
  boesfsc man /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Where the pages go: one for each command. Without it the main page is printed.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl ManArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let Some(folder) = &self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command().disable_help_subcommand(true)).render(&mut page)?;
            screen.out.write_all(&page)?;
            return Ok(Exit::Fine);
        };
        let write = || {
            fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Cli::command(), folder)
        };
        write().map_err(|error| {
            CommandError::World(format!("`{}` cannot be written: {error}", folder.display()))
        })?;
        Ok(Exit::Fine)
    }
}
