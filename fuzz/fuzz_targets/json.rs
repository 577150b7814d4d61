//! JSON: no bytes make the reader panic, and what it reads survives its own text.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::{Escape, Limits, parse_json, parse_json_strict};

fuzz_target!(|bytes: &[u8]| {
    let strict = parse_json_strict(bytes, Limits::DEFAULT);
    let Ok(value) = parse_json(bytes) else {
        assert!(strict.is_err(), "strict accepts no more");
        return;
    };
    // The first print may change a float into the integer it prints as, `-0` among them, as in Go.
    let printed = parse_json(value.to_json().as_bytes()).expect("our own text");
    for text in
        [printed.to_json(), printed.to_json_with(Escape::Html), printed.to_json_pretty("  ")]
    {
        let back = parse_json(text.as_bytes()).expect("our own text");
        assert_eq!(back.to_json(), printed.to_json());
    }
    if let Ok(strict) = strict {
        assert_eq!(strict, value);
    }
});
