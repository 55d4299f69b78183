//! The kernel memory a policy needs on the lsm plane, known before it is loaded.

use core::mem::size_of;

use crate::image::ValidImage;
use crate::map::{
    Armed, Asked, Binding, CALL_PATH, EngineRecord, Fold, FoldKey, LIMITS_RING, Label, MAX_ASKED, MAX_FOLDS,
    MAX_ORPHANS, MAX_POLICIES, MAX_SANDBOXES, MOUNTS_PIECE, Mount, PolicyRecord, Program, SHORT_DIR, Sandbox,
    WORKS_PER_CPU,
};

/// The sizes of blob that programs are compiled for, in bytes: a policy gets the smallest that holds it.
pub const BLOB_ROOMS: [usize; 4] = [64 << 10, 1 << 20, 16 << 20, 64 << 20];
/// Bytes of a blob's map value behind the blob, always zero: what begins in the blob, and be it the largest node, ends
/// in them at the latest.
pub const BLOB_SLACK: usize = 2048;
/// Bytes in which one call is judged: `struct boesfs_scratch`.
pub const SCRATCH: usize = 27_080;
/// Of how many kinds of directory it is known when one was renamed last: `1 << BOESFS_MOVED_BITS`.
const MOVED: usize = 1 << 14;
/// Bytes of the ring buffer that carries the events of a sandbox, if somebody wants them.
pub const EVENT_RING: usize = 1 << 20;

/// A map of the lsm plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapMemory {
    /// Its name.
    pub name: &'static str,
    /// Bytes of one element as the kernel keeps it; of a ring buffer, all of it.
    pub element: usize,
    /// How many elements there are, or how many for each processor.
    pub elements: usize,
    /// Whether `elements` is for each processor.
    pub per_cpu: bool,
}

impl MapMemory {
    const fn array(name: &'static str, element: usize, elements: usize) -> Self {
        Self { name, element: element.next_multiple_of(8), elements, per_cpu: false }
    }

    const fn each_cpu(name: &'static str, element: usize, elements: usize) -> Self {
        Self { per_cpu: true, ..Self::array(name, element, elements) }
    }

    /// Bytes of its elements on a machine with `cpus` processors.
    #[must_use]
    pub const fn bytes(&self, cpus: usize) -> usize {
        self.element * self.elements * if self.per_cpu { cpus } else { 1 }
    }
}

/// Every map that is made for the policy of `image` and one sandbox under it, but for the label each task in it has and
/// the memo of each directory that is used in it. What the kernel adds for itself, some hundred bytes a map and the
/// programs' code, is not in.
#[must_use]
pub fn maps(image: &ValidImage) -> Vec<MapMemory> {
    let mut maps = vec![policy(image)];
    maps.extend(sandbox(image));
    maps.extend(engine());
    maps
}

/// The map of the policy of `image`, shared by whoever has it.
#[must_use]
pub fn policy(image: &ValidImage) -> MapMemory {
    let room = BLOB_ROOMS.into_iter().find(|room| image.blob().len() <= *room);
    let room = room.expect("INVARIANT: the last room is as large as a blob may be");
    MapMemory::array("policy", room + BLOB_SLACK, 1)
}

/// What a sandbox under `image` has of its own, with a protected directory whose path is short and with
/// [`MOUNTS_PIECE`] mounts; as much again for each as many more. The ring is there if its events are wanted, and the table of
/// programs is one for all sandboxes that have the same policy and see the same programs.
#[must_use]
pub fn sandbox(image: &ValidImage) -> Vec<MapMemory> {
    // The subject of a whole sandbox is fixed when it starts: the kernel looks up no program.
    let programs = if image.entry_subject() { 0 } else { image.subjects().literals.len() };
    let mut maps = vec![
        MapMemory::array("armed", size_of::<Armed>(), 1),
        MapMemory::array("dirs", SHORT_DIR as usize, 1),
        MapMemory::array("mounts", size_of::<Mount>() * MOUNTS_PIECE as usize, 1),
        MapMemory::array("ring", EVENT_RING, 1),
    ];
    if programs > 0 {
        maps.push(MapMemory::array("table", size_of::<Program>() + CALL_PATH as usize, programs));
    }
    maps
}

/// What an engine has, however many sandboxes and policies there are.
#[must_use]
pub fn engine() -> Vec<MapMemory> {
    let sandboxes = MAX_SANDBOXES as usize;
    let classes = ["policies_small", "policies_medium", "policies_large", "policies_huge"].into_iter();
    let policies = classes.zip(MAX_POLICIES).map(|(name, count)| MapMemory::array(name, 8, count as usize));
    let mut maps: Vec<_> = policies.collect();
    maps.extend([
        MapMemory::array("sandboxes", size_of::<Sandbox>(), sandboxes),
        MapMemory::array("bindings", size_of::<Binding>(), 2 * sandboxes),
        MapMemory::array("tables", 8, 2 * sandboxes + MAX_POLICIES.iter().sum::<u32>() as usize),
        MapMemory::array("rings", 8, sandboxes),
        MapMemory::array("policies", size_of::<PolicyRecord>(), MAX_POLICIES.iter().sum::<u32>() as usize),
        MapMemory::array("engine", size_of::<EngineRecord>(), 1),
        MapMemory::array("folds", size_of::<FoldKey>() + size_of::<Fold>(), MAX_FOLDS as usize),
        MapMemory::array("limits", LIMITS_RING as usize, 1),
        MapMemory::array("asked", size_of::<u64>() + size_of::<Asked>(), MAX_ASKED as usize),
        MapMemory::array("orphans", size_of::<u64>() + size_of::<Label>(), MAX_ORPHANS as usize),
        MapMemory::array("moved", size_of::<u64>(), MOVED),
        MapMemory::each_cpu("scratches", SCRATCH, WORKS_PER_CPU as usize),
        MapMemory::each_cpu("taken", size_of::<u64>(), 1),
    ]);
    maps
}

const _: () = assert!(BLOB_ROOMS[BLOB_ROOMS.len() - 1] == crate::layout::MAX_BLOB as usize);
