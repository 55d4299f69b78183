//! The arguments that say what is asked.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use boesfs_compiler::ask::{Question, list_values};
use clap::Args;

/// A request, or a file of them.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The program that asks.
    #[arg(long, value_name = "PROGRAM", required_unless_present = "requests", conflicts_with = "requests")]
    sub: Option<OsString>,
    /// The object's path.
    #[arg(long, value_name = "PATH", required_unless_present = "requests", conflicts_with = "requests")]
    obj: Option<OsString>,
    /// The operation.
    #[arg(long, value_name = "OP", required_unless_present = "requests", conflicts_with = "requests")]
    act: Option<String>,
    /// Its arguments, as `(100,0)`: `-` is one the call does not carry, `?` or a missing one is unknown.
    #[arg(long, value_name = "TUPLE", conflicts_with = "requests", allow_hyphen_values = true)]
    args: Option<String>,
    /// File system uid of the caller.
    #[arg(long, value_name = "N", conflicts_with = "requests")]
    uid: Option<u32>,
    /// File system gid of the caller.
    #[arg(long, value_name = "N", conflicts_with = "requests")]
    gid: Option<u32>,
    /// Kind of the object: file, dir, symlink, fifo, socket, block or char.
    #[arg(long, value_name = "WORD", conflicts_with = "requests")]
    kind: Option<String>,
    /// The sandbox's name.
    #[arg(long, value_name = "NAME", conflicts_with = "requests")]
    dom: Option<OsString>,
    /// JSON lines to answer, instead of one request.
    #[arg(long, value_name = "FILE")]
    pub(super) requests: Option<PathBuf>,
}

impl Asked {
    /// The single request as it is written, unless requests come from a file.
    pub(super) fn question(&self) -> Option<Question> {
        let (Some(sub), Some(obj), Some(act)) = (&self.sub, &self.obj, &self.act) else { return None };
        Some(Question {
            sub: sub.as_bytes().to_vec(),
            obj: obj.as_bytes().to_vec(),
            act: act.clone(),
            args: self.args.as_deref().map(list_values).unwrap_or_default(),
            uid: self.uid,
            gid: self.gid,
            kind: self.kind.clone(),
            dom: self.dom.clone().map(OsString::into_vec),
        })
    }
}
