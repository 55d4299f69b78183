//! `boesfsc fmt`.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use boesfs_compiler::diagnostic::{Diagnostic, human};
use boesfs_compiler::files::{policies_below, replace};
use boesfs_compiler::{LoadError, Sources};
use boesfs_grammar::{Limits, Source, format};
use clap::Args;
use serde_json::{Value, json};
use similar::TextDiff;

use super::given::is_image;
use super::{CommandError, Exit, Format, Screen};

/// How many syntax errors of a file are printed.
const SHOWN: usize = 50;

/// Arguments of `fmt`.
#[derive(Debug, Args)]
#[command(after_help = "\
Comments are kept, meaning does not change. A file with a mistake in it is left as it is.
Below a directory, files called *.conf that hold sections of a policy are formatted.
Each file of a two-file policy is formatted on its own.

Exit status: 1 if a file has syntax errors or, with `--check`, is not in canonical form.

Examples:
  boesfsc fmt policy.conf
  boesfsc fmt --check policies/
  boesfsc fmt --diff model.conf policy.csv
  boesfsc fmt - < policy.conf")]
pub(super) struct FmtArgs {
    /// Files and directories; `-` is the standard input, whose canonical form goes to the standard output.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Change nothing; name the files that are not in canonical form.
    #[arg(long)]
    check: bool,
    /// Change nothing; print what would change, as a unified diff.
    #[arg(long)]
    diff: bool,
}

impl FmtArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let mut worst = Exit::Fine;
        let mut shown = Vec::new();
        let files = self.files(&mut worst);
        if files.is_empty() && worst == Exit::Fine {
            return Err(CommandError::World("no policies are below the directories given".to_owned()));
        }
        for path in files {
            match read(&path) {
                Ok(source) if is_image(&source) => {
                    let path = path.display().to_string();
                    let _ = writeln!(io::stderr(), "error: `{path}` is an image: it has no text to format");
                    worst = worst.max(Exit::Usage);
                    shown.push(json!({"path": path, "result": "image"}));
                }
                Ok(source) => {
                    let (exit, word) = self.apply(&path, source, screen)?;
                    worst = worst.max(exit);
                    shown.push(json!({"path": path.display().to_string(), "result": word}));
                }
                // The other files are formatted all the same.
                Err(error) => {
                    let _ = writeln!(io::stderr(), "error: {error}");
                    worst = worst.max(Exit::World);
                    let path = path.display().to_string();
                    shown.push(json!({"path": path, "result": "unreadable", "error": error.to_string()}));
                }
            }
        }
        if screen.format == Format::Json {
            screen.json(&json!({"version": 1, "files": Value::Array(shown)}))?;
        }
        Ok(worst)
    }

    /// The files that are meant.
    fn files(&self, worst: &mut Exit) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for path in &self.paths {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let found = policies_below(path);
            files.extend(found.policies);
            for (path, error) in found.errors {
                let _ = writeln!(io::stderr(), "error: `{}` cannot be read: {error}", path.display());
                *worst = (*worst).max(Exit::World);
            }
        }
        files
    }

    /// Does with the file at `path` what was asked for; how that ends, and in a word.
    fn apply(
        &self,
        path: &Path,
        source: Source,
        screen: &mut Screen,
    ) -> Result<(Exit, &'static str), CommandError> {
        let human = screen.format == Format::Human;
        let text = match format(&source, &Limits::default()) {
            Ok(text) => text,
            Err(errors) => {
                let errors: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
                let limit = errors.iter().any(Diagnostic::is_limit);
                let shown = human::render(&errors, &[source], SHOWN, screen.colour);
                io::stderr().write_all(shown.as_bytes())?;
                return Ok((if limit { Exit::World } else { Exit::Refused }, "errors"));
            }
        };
        let same = text == source.bytes;
        if self.diff && human {
            screen.out.write_all(unified(&source, &text).as_bytes())?;
        } else if self.check && human && !same {
            writeln!(screen.out, "{}", source.name)?;
        }
        if self.check || self.diff {
            let exit = if self.check && !same { Exit::Refused } else { Exit::Fine };
            return Ok((exit, if same { "same" } else { "differs" }));
        }
        if is_input(path) {
            // In JSON the text would not be JSON.
            if human {
                screen.out.write_all(&text)?;
            }
        } else if !same {
            replace(path, &text).map_err(|error| {
                CommandError::World(format!("`{}` cannot be written: {error}", path.display()))
            })?;
        }
        Ok((Exit::Fine, if same { "same" } else { "formatted" }))
    }
}

fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read(path: &Path) -> Result<Source, LoadError> {
    if is_input(path) {
        let mut bytes = Vec::new();
        io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
        return Ok(Source::new("standard input", bytes));
    }
    let mut sources = Sources::One(path.to_owned()).load(&Limits::default())?;
    Ok(sources.swap_remove(0))
}

/// What changes from `source` to `text`; bytes that are not text are shown as replacement characters.
pub(super) fn unified(source: &Source, text: &[u8]) -> String {
    let (old, new) = (String::from_utf8_lossy(&source.bytes), String::from_utf8_lossy(text));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    diff.unified_diff().header(&source.name, &source.name).to_string()
}
