//! See [`landfall_fuzz::rows`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_fuzz::rows(bytes));
