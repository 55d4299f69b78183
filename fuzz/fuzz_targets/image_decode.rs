//! Feeds `boesfs_fuzz::image_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| boesfs_fuzz::image_decode(data));
