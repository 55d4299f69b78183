//! The planes there are: whether each can be had here, and its engine.

use crate::cli::PlaneChoice;
use crate::plane::{Engine, EngineError, Plane, Setup};

/// Whether `plane` works on this machine, for this caller.
///
/// # Errors
/// Why it does not.
pub fn available(plane: Plane) -> Result<(), EngineError> {
    match plane {
        Plane::Lsm => crate::lsm::available(),
        Plane::Fuse => crate::fuse::available(),
    }
}

/// An engine of `plane` for the sandbox of `setup`.
///
/// # Errors
/// Whatever the plane lacks.
pub fn engine(plane: Plane, setup: Setup) -> Result<Box<dyn Engine>, EngineError> {
    match plane {
        Plane::Lsm => crate::lsm::engine(setup),
        Plane::Fuse => crate::fuse::engine(setup),
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
