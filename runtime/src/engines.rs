//! The planes there are: whether each can be had here, and its engine.

use std::io;
use std::os::fd::AsFd;

use nix::sys::wait::{Id, WaitPidFlag, waitid};

use crate::cli::PlaneChoice;
use crate::fuse::FuseEngine;
use crate::plane::{Engine, EngineError, Plane, Setup};
use crate::sys::{self, Cloned};

/// Whether `plane` works on this machine, for this caller.
///
/// # Errors
/// Why it does not.
pub fn available(plane: Plane) -> Result<(), EngineError> {
    match plane {
        Plane::Lsm => crate::lsm::available(),
        Plane::Fuse => fuse_available().map_err(|reason| EngineError::new(plane, reason)),
    }
}

/// An engine of `plane` for the sandbox of `setup`.
///
/// # Errors
/// Whatever the plane lacks.
pub fn engine(plane: Plane, setup: Setup) -> Result<Box<dyn Engine>, EngineError> {
    match plane {
        Plane::Lsm => crate::lsm::engine(setup),
        Plane::Fuse => Ok(Box::new(FuseEngine::new(setup))),
    }
}

fn fuse_available() -> Result<(), String> {
    let device = "/dev/fuse";
    let opened = std::fs::File::options().read(true).write(true).open(device);
    opened.map_err(|error| format!("{device}: {error}"))?;
    try_user_namespace().map_err(|error| format!("no user namespace can be made: {error}"))
}

/// Makes a user namespace and lets it go: sysctls and security modules have many ways to say no, and trying is the
/// only sure answer. The process must be single-threaded.
///
/// # Errors
/// What clone(2) says.
pub fn try_user_namespace() -> io::Result<()> {
    match sys::clone(libc::CLONE_NEWUSER)? {
        Cloned::Child => sys::exit(0),
        Cloned::Parent(_, pidfd) => {
            waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)?;
            Ok(())
        }
    }
}

/// A plane that works, and what speaks against those tried before it.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The plane.
    pub plane: Plane,
    /// Why not the other, if that was preferred.
    pub rejected: Option<EngineError>,
}

/// The plane that `choice` comes to on this machine.
///
/// # Errors
/// Why each plane that would have been taken does not work.
pub fn choose(choice: PlaneChoice) -> Result<Chosen, Vec<EngineError>> {
    let only = |plane| match available(plane) {
        Ok(()) => Ok(Chosen { plane, rejected: None }),
        Err(error) => Err(vec![error]),
    };
    match choice {
        PlaneChoice::Lsm => only(Plane::Lsm),
        PlaneChoice::Fuse => only(Plane::Fuse),
        PlaneChoice::Auto => match available(Plane::Lsm) {
            Ok(()) => Ok(Chosen { plane: Plane::Lsm, rejected: None }),
            Err(lsm) => match available(Plane::Fuse) {
                Ok(()) => Ok(Chosen { plane: Plane::Fuse, rejected: Some(lsm) }),
                Err(fuse) => Err(vec![lsm, fuse]),
            },
        },
    }
}
