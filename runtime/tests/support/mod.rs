//! Starting sandboxes and looking at what comes of them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// What a finished command said, as text, with the status a shell would give it.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `command` to its end, and until nobody holds its output open any more.
pub(crate) fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let status = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap();
    Said { status, out: text(stdout), err: text(stderr) }
}

/// A command that has said `ready`.
pub(crate) struct Ready {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
}

impl Ready {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, out }
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits until nobody holds the output open any more: every process of the sandbox is gone. Returns the status a
    /// shell would give.
    pub(crate) fn end(mut self) -> i32 {
        self.out.read_to_end(&mut Vec::new()).unwrap();
        let status = self.child.wait().unwrap();
        status.code().or(status.signal().map(|signal| 128 + signal)).unwrap()
    }
}
