//! See [`landfall_fuzz::http_edges`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_fuzz::http_edges(bytes));
