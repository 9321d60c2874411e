//! See [`landfall_fuzz::directory`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_fuzz::directory(bytes));
