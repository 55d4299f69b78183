//! See `boesfs_fuzz::image_changed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = boesfs_fuzz::image_changed(data);
});
