#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undercast_fuzz::run("asl", bytes));
