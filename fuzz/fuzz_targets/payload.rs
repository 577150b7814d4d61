//! Payloads of signatures: what is claimed, written again, is claimed again.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::simple_signing::{Payload, render};
use std::collections::BTreeMap;

fuzz_target!(|bytes: &[u8]| {
    let Ok(payload) = Payload::parse(bytes) else { return };
    let texts: BTreeMap<String, String> = payload
        .optional
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.as_str()?.to_owned())))
        .collect();
    let text = render(&payload.docker_reference, &payload.digest, &texts);
    let again = Payload::parse(text.as_bytes()).expect("our own text");
    assert_eq!(again.digest, payload.digest);
    assert_eq!(again.docker_reference, payload.docker_reference);
    let back: BTreeMap<String, String> = again
        .optional
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_str().expect("a text").to_owned()))
        .collect();
    assert_eq!(back, texts);
});
