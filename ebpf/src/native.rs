//! The `native` engine: the C decision headers built for the host.
#![expect(unsafe_code, reason = "calls into C")]

use boesfs_abi::image::ValidImage;
use boesfs_abi::map::CALL_PATH;

/// A request in numbers and its answer: `boesfs_call` of the C header, [`boesfs_abi::map::Call`].
pub use boesfs_abi::map::Call;

unsafe extern "C" {
    fn boesfs_native_decide(blob: *const u64, blob_len: u64, call: *mut Call, path: *const u8) -> i32;
    fn boesfs_native_text_class(blob: *const u64, blob_len: u64, text: *const u8, len: u32) -> u32;
    fn boesfs_native_names(
        blob: *const u64,
        blob_len: u64,
        path: *const u8,
        len: u32,
        names: *mut [u32; 2],
        room: u32,
    ) -> u32;
}

/// A policy as the C code reads it.
#[derive(Clone, Debug)]
pub struct NativePolicy {
    /// The blob, aligned to 8 bytes.
    words: Vec<u64>,
}

/// The C code could not use the policy or the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy or the request is not one the C code can use")]
pub struct Unusable;

impl NativePolicy {
    /// The policy of `image`.
    #[must_use]
    pub fn new(image: &ValidImage) -> Self {
        Self::from_blob(image.blob())
    }

    /// The policy in `blob`, which may be anything: what is outside it is never read.
    #[must_use]
    pub fn from_blob(blob: &[u8]) -> Self {
        let words = blob.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        Self { words: words.collect() }
    }

    fn len(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// Decides `call` about `path` and fills in the answer.
    ///
    /// # Errors
    /// [`Unusable`] if the path is too long or the policy is not one.
    pub fn decide(&self, mut call: Call, path: &[u8]) -> Result<Call, Unusable> {
        if path.len() > CALL_PATH as usize {
            return Err(Unusable);
        }
        call.path_len = path.len() as u32;
        // SAFETY: all three outlive the call; C reads `len` bytes of the blob, `path_len` of the path, and writes one Call.
        let failed =
            unsafe { boesfs_native_decide(self.words.as_ptr(), self.len(), &raw mut call, path.as_ptr()) };
        if failed == 0 { Ok(call) } else { Err(Unusable) }
    }

    /// The class of a path or text argument.
    ///
    /// # Errors
    /// [`Unusable`] if it is too long or the policy is not one.
    pub fn text_class(&self, text: &[u8]) -> Result<u32, Unusable> {
        let len = u32::try_from(text.len()).ok().filter(|len| *len <= CALL_PATH).ok_or(Unusable)?;
        // SAFETY: both outlive the call; C reads `len` bytes of the blob and of the text.
        let class = unsafe { boesfs_native_text_class(self.words.as_ptr(), self.len(), text.as_ptr(), len) };
        if class == boesfs_abi::layout::NO_RULE { Err(Unusable) } else { Ok(class) }
    }

    /// For each name on the way to `path`, where it ends and the row it leads to, walked each from where the one before
    /// led to.
    ///
    /// # Errors
    /// As [`NativePolicy::decide`].
    pub fn names(&self, path: &[u8]) -> Result<Vec<(usize, u32)>, Unusable> {
        let len = u32::try_from(path.len()).ok().filter(|len| *len <= CALL_PATH).ok_or(Unusable)?;
        let mut names = vec![[0; 2]; path.len() + 1];
        let room = len + 1;
        // SAFETY: all outlive the call; C reads `len` bytes of the blob and of the path, and writes at most `room` pairs.
        let count = unsafe {
            boesfs_native_names(self.words.as_ptr(), self.len(), path.as_ptr(), len, names.as_mut_ptr(), room)
        };
        let names = names.get(..count as usize).ok_or(Unusable)?;
        Ok(names.iter().map(|[end, label]| (*end as usize, *label)).collect())
    }
}
