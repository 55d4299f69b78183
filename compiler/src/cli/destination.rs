//! Where a command puts a file of its own: at a path, or on the standard output.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use boesfs_compiler::files::put;

use super::given::is_input;
use super::{CommandError, Screen};

/// A place for bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination<'p> {
    /// The file at this path.
    File(&'p Path),
    /// The standard output.
    Standard,
}

impl<'p> Destination<'p> {
    /// What `path` means: `-`, or a path by which the standard output goes, is the standard output.
    pub(super) fn of(path: &'p Path) -> Self {
        if path.as_os_str() == "-" {
            return Self::Standard;
        }
        let own = io::stdout().as_fd().try_clone_to_owned().and_then(|own| File::from(own).metadata());
        match (fs::metadata(path), own) {
            // A terminal takes both, one after the other; in `/dev/null` neither matters.
            (Ok(found), Ok(own)) if is_same(&found, &own) && !own.file_type().is_char_device() => {
                Self::Standard
            }
            _ => Self::File(path),
        }
    }

    /// Whether there is a file with just these bytes.
    pub(super) fn holds(self, bytes: &[u8]) -> bool {
        let Self::File(path) = self else { return false };
        let same_length = fs::symlink_metadata(path)
            .is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
        same_length && fs::read(path).is_ok_and(|found| found == bytes)
    }

    /// Puts `bytes` there.
    pub(super) fn write(self, bytes: &[u8], screen: &mut Screen) -> Result<(), CommandError> {
        match self {
            Self::File(path) => put(path, bytes).map_err(|error| {
                CommandError::World(format!("`{}` cannot be written: {error}", path.display()))
            }),
            Self::Standard => Ok(screen.out.write_all(bytes)?),
        }
    }

    /// Says `line` where it is not among the bytes.
    pub(super) fn say(self, line: &dyn std::fmt::Display, screen: &mut Screen) -> io::Result<()> {
        match self {
            Self::File(_) => writeln!(screen.out, "{line}"),
            Self::Standard => writeln!(io::stderr(), "{line}"),
        }
    }
}

/// That `output` does not take the place of one of `inputs`, whatever name either goes by. A link as the output is no
/// such case: it is replaced itself.
pub(super) fn apart<'i>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'i Path>,
) -> Result<(), CommandError> {
    let Ok(found) = fs::symlink_metadata(output) else { return Ok(()) };
    // A device that is read and written is none that is lost.
    if !found.is_file() && !found.is_symlink() {
        return Ok(());
    }
    for input in inputs.into_iter().filter(|input| !is_input(input)) {
        let itself = [fs::symlink_metadata(input), fs::metadata(input)];
        if itself.into_iter().flatten().any(|input| is_same(&input, &found)) {
            let (input, output) = (input.display(), output.display());
            return Err(CommandError::Usage(format!(
                "the output `{output}` would replace the input `{input}`"
            )));
        }
    }
    Ok(())
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
