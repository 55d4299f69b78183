//! The proof that what the programs deny is denied: a child that may do nothing tries to open a file.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use boesfs_abi::layout::NO_CLASS;
use boesfs_abi::map::{EXEC_ANY, Label};

use super::engine::{Engine, FIRST_GENERATION};
use crate::sys::{self, Change, Cloned};

/// The child's exit status if it was denied.
const DENIED: u8 = 42;

/// Tries it in the sandbox `id` in `slot`, which has no places yet, and says what went wrong.
pub(super) fn check(engine: &Engine, slot: usize, id: u64) -> Result<(), String> {
    let pipe = || nix::unistd::pipe().map_err(|error| format!("cannot make a pipe: {error}"));
    let (go, said) = pipe()?;
    // A mount namespace of its own: tasks in the host's are let go.
    let cloned = sys::clone(libc::CLONE_NEWNS).map_err(|error| format!("cannot make the canary: {error}"))?;
    let (pid, task) = match cloned {
        Cloned::Parent(pid, task) => (pid, task),
        Cloned::Child => {
            drop(said);
            sys::exit(canary(go).into());
        }
    };
    drop(go);
    let label = Label {
        slot: slot as u32,
        class: NO_CLASS,
        pending: NO_CLASS,
        sandbox: id,
        generation: FIRST_GENERATION,
        exec: EXEC_ANY,
        pending_exec: EXEC_ANY,
        ..Label::default()
    };
    let labelled = engine.label(task.as_fd(), &label).map_err(|error| error.to_string());
    let told = File::from(said).write_all(b"!").map_err(|error| error.to_string());
    match sys::waitpid(pid) {
        Ok((_, Change::Exited(DENIED))) => labelled.and(told),
        Ok((_, change)) => {
            labelled.and(told)?;
            Err(format!(
                "a canary that must be denied was not ({change:?}): another security module may stand before ours"
            ))
        }
        Err(error) => Err(format!("cannot wait for the canary: {error}")),
    }
}

fn canary(go: OwnedFd) -> u8 {
    let mut byte = [0];
    if File::from(go).read_exact(&mut byte).is_err() {
        return 1;
    }
    match File::open("/proc/self/status") {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => DENIED,
        _ => 2,
    }
}
