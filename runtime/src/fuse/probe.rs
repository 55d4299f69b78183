//! Whether the plane can be had: by having it, in a child.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use nix::unistd::{getegid, geteuid};

use super::session::try_mount;
use crate::plane::{EngineError, Plane};
use crate::sys::{self, Cloned, Wait};

/// Whether the plane can be had here: this process may make user namespaces, and mount FUSE file systems in them.
/// The process must be single-threaded.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<(), EngineError> {
    let failed = |error: io::Error| EngineError::new(Plane::Fuse, error);
    let (here, there) = sys::packet_pair().map_err(failed)?;
    let (users, groups) = (geteuid(), getegid());
    let cloned = sys::clone(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(|error| {
        let reason = format!("cannot make a user namespace: {error}; see user.max_user_namespaces");
        EngineError::new(Plane::Fuse, reason)
    })?;
    match cloned {
        Cloned::Child => {
            let tried = map_ids(users.as_raw(), groups.as_raw())
                .and_then(|()| try_mount().map_err(|e| e.to_string()));
            let said = match tried {
                Ok(()) => String::new(),
                Err(reason) => reason,
            };
            // An empty packet cannot be told from a child that died.
            let sent = sys::send_packet(there.as_fd(), format!(":{said}").as_bytes(), &[]);
            sys::exit(i32::from(sent.is_err()))
        }
        Cloned::Parent(pid, _pidfd) => {
            drop(there);
            let mut buffer = [0; 4096];
            let length = sys::receive_packet(here.as_fd(), &mut buffer, Wait::Yes).map_err(failed)?.0;
            sys::waitpid(pid).map_err(failed)?;
            match buffer[..length].split_first() {
                Some((_, [])) => Ok(()),
                Some((_, reason)) => Err(EngineError::new(Plane::Fuse, String::from_utf8_lossy(reason))),
                None => Err(EngineError::new(Plane::Fuse, "the process that tried a mount died")),
            }
        }
    }
}

/// Maps the ids of this process, which is the first of its user namespace, to themselves.
fn map_ids(user: u32, group: u32) -> Result<(), String> {
    let files = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ];
    files.into_iter().try_for_each(|(name, text)| {
        fs::write(format!("/proc/self/{name}"), text)
            .map_err(|error| format!("cannot map ids in a user namespace: /proc/self/{name}: {error}"))
    })
}
