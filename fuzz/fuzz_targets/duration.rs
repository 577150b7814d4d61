//! Durations: no text makes the reader panic, and each duration survives its text.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::GoDuration;

fuzz_target!(|text: &str| {
    match GoDuration::parse(text) {
        Ok(duration) => assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration)),
        Err(error) => drop(error.to_string()),
    }
});
