//! Feeds `boesfs_fuzz::fmt_round_trip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| boesfs_fuzz::fmt_round_trip(data));
