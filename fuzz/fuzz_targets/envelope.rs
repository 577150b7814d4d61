//! Envelopes: each survives its own text, and what is signed stands for one pair of type and payload only.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::dsse::{Envelope, MAX_SIGNATURES, pae};

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    assert!((1..=MAX_SIGNATURES).contains(&envelope.signatures.len()));
    assert_eq!(Envelope::parse(envelope.to_json().as_bytes()).as_ref(), Ok(&envelope));
    // The lengths are part of the text: moving a byte from one to the other changes it.
    let signed = pae(&envelope.payload_type, &envelope.payload);
    if let Some((first, rest)) = envelope.payload.split_first()
        && first.is_ascii()
    {
        let moved = format!("{}{}", envelope.payload_type, char::from(*first));
        assert_ne!(pae(&moved, rest), signed);
    }
});
