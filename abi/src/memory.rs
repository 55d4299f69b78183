//! The kernel memory a policy needs on the lsm plane, known before it is loaded.

use core::mem::size_of;

use crate::image::ValidImage;
use crate::map::{CALL_PATH, MAX_MOUNTS, Mount, Program, Recording, Sandbox, WORKS_PER_CPU};

/// The sizes of blob that programs are compiled for, in bytes: a policy gets the smallest that holds it.
pub const BLOB_ROOMS: [usize; 4] = [64 << 10, 1 << 20, 16 << 20, 64 << 20];
/// Bytes of a blob's map value behind the blob, always zero: what begins in the blob, and be it the largest node, ends
/// in them at the latest.
pub const BLOB_SLACK: usize = 2048;
/// Bytes in which one call is judged: `struct boesfs_scratch`.
pub const SCRATCH: usize = 26_832;
/// Bytes of the ring buffer that carries events.
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

/// Every map that is made where `image` is loaded, but for the label each task in the sandbox has. What the kernel adds
/// for itself, some hundred bytes a map and the programs' code, is not in.
#[must_use]
pub fn maps(image: &ValidImage) -> Vec<MapMemory> {
    let room = BLOB_ROOMS.into_iter().find(|room| image.blob().len() <= *room);
    let room = room.expect("INVARIANT: the last room is as large as a blob may be");
    // The subject of a whole sandbox is fixed when it starts: the kernel looks up no program.
    let programs = if image.entry_subject() { 0 } else { image.subjects().literals.len() };
    vec![
        MapMemory::array("blob", room + BLOB_SLACK, 1),
        MapMemory::array("programs", size_of::<Program>() + CALL_PATH as usize, programs.max(1)),
        MapMemory::array("sandboxes", size_of::<Sandbox>(), 1),
        MapMemory::array("dirs", CALL_PATH as usize, 1),
        MapMemory::array("mounts", size_of::<Mount>(), MAX_MOUNTS as usize),
        MapMemory::array("recording", size_of::<Recording>(), 1),
        MapMemory::array("events", EVENT_RING, 1),
        MapMemory::each_cpu("scratches", SCRATCH, WORKS_PER_CPU as usize),
        MapMemory::each_cpu("taken", size_of::<u64>(), 1),
    ]
}

const _: () = assert!(BLOB_ROOMS[BLOB_ROOMS.len() - 1] == crate::layout::MAX_BLOB as usize);
