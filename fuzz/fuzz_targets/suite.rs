//! Feeds `boesfs_fuzz::suite`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| boesfs_fuzz::suite(data));
