//! See [`landfall_fuzz::answers`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landfall_fuzz::answers(bytes));
