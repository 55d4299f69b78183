//! The memory that is foretold of a policy is what the kernel says the maps take.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::MapData;
use aya_obj::Map;
use aya_obj::generated::bpf_map_type::{BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_RINGBUF};
use boesfs_abi::image::{Parts, decode, encode};
use boesfs_abi::memory::{EVENT_RING, MapMemory, maps};

/// What the kernel adds to a map for itself: less than so much, and to a ring buffer some pages.
const OWN: usize = 4096;
const OWN_OF_RING: usize = 8 * 4096;

/// Bytes that the kernel says the map behind `fd` takes.
fn memlock(map: &MapData) -> usize {
    let fd = map.fd().as_fd().as_raw_fd();
    let said = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).expect("what the kernel says");
    let line = said.lines().find_map(|line| line.strip_prefix("memlock:")).expect("a line of maps");
    line.trim().parse().expect("a number")
}

fn is_ring(map: &MapMemory) -> bool {
    (map.element, map.elements) == (EVENT_RING, 1)
}

/// The map as it is made, on a machine with `cpus` processors.
fn made(map: &MapMemory, cpus: usize) -> Result<MapData, String> {
    let count =
        u32::try_from(map.elements * if map.per_cpu { cpus } else { 1 }).expect("a number of elements");
    let element = u32::try_from(map.element).expect("a size");
    let of = if is_ring(map) {
        Map::new_from_params(BPF_MAP_TYPE_RINGBUF as u32, 0, 0, element, 0)
    } else {
        Map::new_from_params(BPF_MAP_TYPE_ARRAY as u32, 4, element, count, 0)
    };
    MapData::create(of, "boesfs_memory", None).map_err(|error| format!("{}: {error:?}", map.name))
}

#[test]
fn the_kernel_says_what_was_foretold() {
    let cpus = std::thread::available_parallelism().expect("a number").get();
    let small = decode(include_bytes!("../../abi/tests/images/casbin.bin")).expect("an image");
    // The next room: as many domains as make no difference, but to the blob's rows.
    let mut seen = 0;
    for image in [&small, &larger()] {
        let foretold = maps(image);
        assert!(foretold.iter().any(|map| map.element > image.blob().len()), "no map holds the blob");
        for map in &foretold {
            let made = match made(map, cpus) {
                Ok(made) => made,
                Err(reason) if !nix::unistd::Uid::effective().is_root() => {
                    println!("skipped: only root makes maps here ({reason})");
                    return;
                }
                Err(reason) => panic!("{reason}"),
            };
            let (bytes, taken) = (map.bytes(cpus), memlock(&made));
            let own = if is_ring(map) { OWN_OF_RING } else { OWN };
            assert!((bytes..=bytes + own).contains(&taken), "{}: {bytes} foretold, {taken} taken", map.name);
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen} maps");
}

/// An image whose blob does not fit into the smallest room.
fn larger() -> boesfs_abi::image::ValidImage {
    let small = decode(include_bytes!("../../abi/tests/images/patterns.bin")).expect("an image");
    let mut parts = Parts {
        blob: small.blob().to_vec(),
        subjects: small.subjects().clone(),
        literals: Vec::new(),
        debug: None,
    };
    // More rows of what is there already; that no path leads to them makes no difference to what is loaded.
    let header = small.header();
    let (rows, end) = (header.rows_off as usize, header.cells_off as usize);
    let row = parts.blob[rows..rows + header.class_count as usize * 4].to_vec();
    let more = (80usize << 10).div_ceil(row.len()).next_multiple_of(2);
    let added = row.repeat(more);
    let bytes = added.len();
    parts.blob.splice(end..end, added);
    let shift = u32::try_from(bytes).expect("a size");
    let mut edit = |at: usize, by: u32| {
        let word = &mut parts.blob[at..at + 4];
        let value = u32::from_le_bytes(word.try_into().expect("four bytes")) + by;
        word.copy_from_slice(&value.to_le_bytes());
    };
    edit(std::mem::offset_of!(boesfs_abi::layout::PolicyHeader, blob_len), shift);
    edit(std::mem::offset_of!(boesfs_abi::layout::PolicyHeader, row_count), more as u32);
    for at in [
        std::mem::offset_of!(boesfs_abi::layout::PolicyHeader, cells_off),
        std::mem::offset_of!(boesfs_abi::layout::PolicyHeader, entries_off),
        std::mem::offset_of!(boesfs_abi::layout::PolicyHeader, tests_off),
        std::mem::offset_of!(boesfs_abi::layout::PolicyHeader, sets_off),
        std::mem::offset_of!(boesfs_abi::layout::PolicyHeader, gains_off),
    ] {
        edit(at, shift);
    }
    decode(&encode(&parts).expect("an image")).expect("an image")
}
