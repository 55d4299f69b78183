//! The planes there are: whether each can be had here, and its engine.

use crate::cli::PlaneChoice;
use crate::plane::{Engine, EngineError, Folding, Plane, Seal, Setup};

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
        Plane::Fuse if setup.permissive => {
            Err(EngineError::new(plane, "cannot be permissive: only the lsm plane reports without denying"))
        }
        Plane::Fuse if setup.seal == Seal::Wanted => {
            Err(EngineError::new(plane, "cannot be sealed: it has nothing in the kernel that could be"))
        }
        Plane::Fuse if setup.folding == Folding::Wanted => Err(EngineError::new(
            plane,
            "cannot fold events: only the lsm plane has `--event-rate`, but for 0",
        )),
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

/// An engine, and what speaks against the plane that would have been preferred.
pub struct Started {
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// Why not the other plane, if that was preferred.
    pub rejected: Option<EngineError>,
}

/// An engine of the plane that `choice` comes to. The lsm plane proves itself when its engine is made, which takes
/// long enough not to be done twice.
///
/// # Errors
/// Why each plane that would have been taken does not work.
pub fn start(choice: PlaneChoice, setup: Setup) -> Result<Started, Vec<EngineError>> {
    let fuse = |setup| available(Plane::Fuse).and_then(|()| engine(Plane::Fuse, setup));
    let only = |made: Result<_, _>| {
        made.map(|engine| Started { engine, rejected: None }).map_err(|error| vec![error])
    };
    match choice {
        PlaneChoice::Lsm => only(engine(Plane::Lsm, setup)),
        PlaneChoice::Fuse => only(fuse(setup)),
        PlaneChoice::Auto => match engine(Plane::Lsm, setup.clone()) {
            Ok(engine) => Ok(Started { engine, rejected: None }),
            Err(lsm) => match fuse(setup) {
                Ok(engine) => Ok(Started { engine, rejected: Some(lsm) }),
                Err(fuse) => Err(vec![lsm, fuse]),
            },
        },
    }
}
