//! Sections for people, compressed: a length, and as many bytes deflated.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The most bytes a section comes to.
pub(super) const MOST: usize = 512 << 20;
/// The most bytes that one byte of deflated data comes to.
const MOST_PER_BYTE: usize = 1032;
/// How hard is tried: the bytes of an image depend on it.
const LEVEL: u8 = 1;

/// `bytes`, compressed.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = (bytes.len() as u64).to_le_bytes().to_vec();
    packed.extend(compress_to_vec(bytes, LEVEL));
    packed
}

/// What [`pack`] was given; `None` if `packed` is not of it. The length is believed only as far as it can be true.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (len, packed) = packed.split_first_chunk()?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
    if len > MOST || len > packed.len().saturating_mul(MOST_PER_BYTE) {
        return None;
    }
    let mut bytes = vec![0; len];
    let (status, read, written) = decompress(
        &mut DecompressorOxide::new(),
        packed,
        &mut bytes,
        0,
        TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
    );
    (status == TINFLStatus::Done && read == packed.len() && written == len).then_some(bytes)
}
