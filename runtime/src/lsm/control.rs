//! What other processes do with sandboxes of the engine: look at them, give them another policy, end them.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::Ordering;

use boesfs_abi::map::Sandbox;
use boesfs_ebpf::ENGINE;

use super::engine::{Engine, Enrolment, Strictness};
use super::error::LoadError;
use super::pins::{self, Lock};
use super::record::word;
use super::subject::Subjects;
use super::{Kept, below, binding, clear, failed, own_place};
use crate::plane::{EngineError, Setup};
use crate::tenants::{self, Claimed, Found, Place};
use crate::trust::TrustError;

/// A sandbox as its engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The generation of its policy.
    pub generation: u64,
    /// Denials so far that count.
    pub denials: u64,
    /// Events that were lost.
    pub dropped: u64,
    /// Events that were folded into others of their kind.
    pub folded: u64,
    /// How many sandboxes have the same policy.
    pub sharing: u64,
    /// The policy's content id.
    pub policy: [u8; 32],
}

impl Status {
    /// The policy's content id in hexadecimal.
    #[must_use]
    pub fn policy_hex(&self) -> String {
        self.policy.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What the engine knows of the sandboxes at `places`; nothing of those that are another build's.
#[must_use]
pub fn status(places: &[Option<&Place>]) -> Vec<Option<Status>> {
    let engine = Engine::existing();
    let look = |place: &Place| {
        let engine = engine.as_ref().filter(|engine| is_ours(engine, place))?;
        let sandboxes = &engine.records().sandboxes;
        let generation = word!(sandboxes, place.slot, Sandbox.generation).load(Ordering::Acquire);
        let policy = engine.bound(place.slot, generation)?;
        Some(Status {
            generation,
            denials: word!(sandboxes, place.slot, Sandbox.denials).load(Ordering::Relaxed),
            dropped: word!(sandboxes, place.slot, Sandbox.dropped).load(Ordering::Relaxed),
            folded: word!(sandboxes, place.slot, Sandbox.folded).load(Ordering::Relaxed),
            sharing: engine.records().uses(policy),
            policy: engine.records().policy_id(policy),
        })
    };
    places.iter().map(|place| place.and_then(look)).collect()
}

fn is_ours(engine: &Engine, place: &Place) -> bool {
    place.build == ENGINE && engine.holds(place.slot, place.id)
}

/// Has the sandbox `found` decided by the policy of `setup` from now on; the number of its generation. `file` is the
/// policy's image as it was read; `record` is called when nothing else stands in the way any more.
///
/// Every call is decided whole by the one policy or the other. Descriptors that are open stay open; what is done with
/// them is judged by the policy at that time as far as its hooks see it, and under a strict one wherever they are read,
/// written or mapped. The policy's kill limit counts from now on, unless the sandbox was started with one of its own.
///
/// # Errors
/// If the sandbox is gone or another build's, or the kernel or `record` refuses something: then everything is as before.
pub fn reload(
    found: &Found,
    setup: &Setup,
    strictness: Strictness,
    file: &[u8],
    record: impl FnOnce() -> Result<(), TrustError>,
) -> Result<u64, EngineError> {
    let gone = || EngineError::new(crate::plane::Plane::Lsm, "the sandbox has ended");
    let place = found.tenant.engine.as_ref().ok_or_else(gone)?;
    if place.build != ENGINE {
        let other = "another build of boesfs runs it, which must reload it";
        return Err(EngineError::new(crate::plane::Plane::Lsm, other));
    }
    let lock = Lock::take().map_err(failed)?;
    let engine = Engine::existing().filter(|engine| is_ours(engine, place)).ok_or_else(gone)?;
    let subjects = Subjects::of(setup);
    let dir = setup.dir.as_os_str().as_bytes();
    let enrolment = Enrolment {
        image: &setup.image,
        binding: binding(&setup.image, dir, &subjects),
        programs: &subjects.programs,
        dir: below(dir),
        kill_after: match found.tenant.kill_after {
            Some(_) => None,
            None => Some(setup.kill_after.map_or(0, std::num::NonZeroU64::get)),
        },
        told: setup.told,
        strictness,
        slot: place.slot,
        id: place.id,
        after_another: true,
    };
    let keep = |generation| {
        tenants::keep_policy(&found.directory, generation, &setup.image.id_hex(), file)
            .map_err(|source| LoadError::read(found.directory.clone(), source))?;
        Ok(record()?)
    };
    engine.rebind(&lock, &enrolment, keep).map_err(failed)
}

/// Has every task of the sandbox at `place` denied everything from now on.
pub fn bar(place: &Place) {
    if let Some(engine) = Engine::existing().filter(|engine| is_ours(engine, place)) {
        engine.bar(place.slot);
    }
}

/// What was cleared away.
#[derive(Debug, Default)]
pub struct Cleared {
    /// Sandboxes whose processes are gone.
    pub sandboxes: usize,
    /// Engines of other builds that no sandbox uses.
    pub engines: usize,
    /// What was not, for want of certainty.
    pub kept: Vec<Kept>,
}

/// Clears away what is left of the sandbox `found`, and with it the engine of another build that only it has kept.
///
/// # Errors
/// If it runs, or the lock or its name cannot be had, or not told who lives.
pub fn remove(found: &Found) -> Result<(), EngineError> {
    let lock = Lock::take().map_err(failed)?;
    match tenants::claim(&found.tenant.name).map_err(failed)? {
        Claimed::Left(claim, tenant) => {
            let left = vec![(claim, tenant.map(|tenant| *tenant))];
            let kept = clear(Engine::find(&lock).map_err(failed)?.as_ref(), &lock, left);
            if let Some(kept) = kept.first() {
                return Err(failed(kept));
            }
        }
        // Its supervisor has cleared it away.
        Claimed::New(claim) => {
            let _ = claim.clear();
        }
    }
    // The last one took the engine with it, or was in one that is none.
    if Engine::find(&lock).map_err(failed)?.is_none() {
        lock.forget_engine();
    }
    // Why one stays is told by who clears everything away.
    let _ = pins::destroy_unused();
    Ok(())
}

/// Clears away whatever sandboxes and engines have left that are gone.
///
/// # Errors
/// If the lock cannot be had, or what is written of sandboxes cannot be read.
pub fn clear_away() -> Result<Cleared, EngineError> {
    let lock = Lock::take().map_err(failed)?;
    let engine = Engine::find(&lock).map_err(failed)?;
    let left = tenants::left();
    let count = left.len();
    let kept = clear(engine.as_ref(), &lock, left);
    let mut cleared = Cleared { sandboxes: count - kept.len(), engines: 0, kept };
    // The last one that is cleared away takes the engine with it.
    match Engine::find(&lock).map_err(failed)? {
        Some(engine) => {
            let living = tenants::all().map_err(failed)?;
            let places = living.iter().filter_map(|found| own_place(&found.tenant));
            let (strays, kept) = engine.put_right(&lock, &places.map(|place| place.id).collect());
            cleared.sandboxes += strays;
            cleared.kept.extend(kept);
        }
        None => lock.forget_engine(),
    }
    let (engines, kept) = pins::destroy_unused();
    cleared.engines = engines;
    cleared.kept.extend(kept);
    Ok(cleared)
}
