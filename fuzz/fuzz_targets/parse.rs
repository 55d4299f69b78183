//! Feeds `boesfs_fuzz::parse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| boesfs_fuzz::parse(data));
