//! What decides in the kernel: BPF objects, and the same C as a library for the host.
//!
//! The sources are in `bpf/`: pure decision headers (`walk.h`, `decide.h`, `moves.h`, `judge.h`), the programs of the lsm plane
//! (`boesfs.bpf.c`) and the program of the `bpf` engine (`decide.bpf.c`). The verifier must know how large a policy is,
//! so policies come in sizes: [`SizeClass`]. The lsm plane has maps for all of them, an object of the `bpf` engine is
//! compiled for one.

pub mod native;

use boesfs_abi::memory::BLOB_ROOMS;

#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

macro_rules! object {
    ($name:literal) => {{
        static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name)));
        &OBJECT.0
    }};
}

/// The lsm plane's programs.
#[must_use]
pub fn lsm_object() -> &'static [u8] {
    object!("boesfs.o")
}

/// A program that does nothing, at a hook: where it can be attached, those of the lsm plane can.
#[must_use]
pub fn probe_object() -> &'static [u8] {
    object!("probe.o")
}

/// What tells the programs of this build, and the maps they share with its loader, from those of any other.
pub const ENGINE: &str = env!("BOESFS_OBJECT_HASH");

/// How large a policy's blob may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeClass {
    /// 64 KiB.
    Small,
    /// 1 MiB.
    Medium,
    /// 16 MiB.
    Large,
    /// 64 MiB.
    Huge,
}

/// Bytes of a blob's map value behind the blob, always zero.
pub const SLACK: usize = boesfs_abi::memory::BLOB_SLACK;

/// An object with one program, `boesfs_empty`, that does nothing at whatever hook: what an attached one costs.
#[must_use]
pub fn empty_object() -> &'static [u8] {
    object!("empty.o")
}

impl SizeClass {
    /// Every class, in order.
    pub const ALL: [Self; 4] = [Self::Small, Self::Medium, Self::Large, Self::Huge];

    /// Bytes of a blob that fit.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => BLOB_ROOMS[0],
            Self::Medium => BLOB_ROOMS[1],
            Self::Large => BLOB_ROOMS[2],
            Self::Huge => BLOB_ROOMS[3],
        }
    }

    /// The smallest class that holds `blob`; none if it is larger than any blob may be.
    #[must_use]
    pub fn of(blob: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|class| blob.len() <= class.bytes())
    }

    /// The `bpf` engine's object.
    #[must_use]
    pub fn decide_object(self) -> &'static [u8] {
        match self {
            Self::Small => object!("decide.65536.o"),
            Self::Medium => object!("decide.1048576.o"),
            Self::Large => object!("decide.16777216.o"),
            Self::Huge => object!("decide.67108864.o"),
        }
    }
}
