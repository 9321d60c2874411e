//! See [`landfall_fuzz::events`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_fuzz::events(bytes));
