//! Feeds `boesfs_fuzz::compile_vs_reference`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| boesfs_fuzz::compile_vs_reference(data));
