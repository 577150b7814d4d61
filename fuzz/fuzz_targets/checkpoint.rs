//! Checkpoints: what is read has the parts that verification compares, and no stranger's key verifies it.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::{
    keys::PublicKey,
    tlog::Checkpoint,
    trust::{TransparencyLog, Validity},
};

/// Ed25519's base point: a key that nobody has.
fn nobody() -> PublicKey {
    let mut der =
        vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 0x58];
    der.extend([0x66; 31]);
    PublicKey::parse_der(&der).unwrap()
}

fuzz_target!(|text: &str| {
    let Ok(checkpoint) = Checkpoint::parse(text) else { return };
    assert!(!checkpoint.origin().is_empty());
    assert_eq!(checkpoint.root().len(), 32);
    let address = format!("https://{}", checkpoint.origin());
    for log in [
        TransparencyLog::new(&address, nobody(), Validity::default()),
        TransparencyLog::with_origin(&address, checkpoint.origin(), nobody(), Validity::default()),
    ] {
        assert!(checkpoint.verify(&log).is_err(), "a signature that nobody made");
    }
});
