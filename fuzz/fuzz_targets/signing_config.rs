//! Signing configurations: what is read is written and read again alike, and no more services are chosen than there are.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::{requirement::Timestamp, trust::SigningConfig};

fuzz_target!(|bytes: &[u8]| {
    let Ok(config) = SigningConfig::parse(bytes) else { return };
    assert_eq!(SigningConfig::parse(config.to_json().as_bytes()).as_ref(), Ok(&config));
    for now in [0, 1_700_000_000, i64::MAX] {
        if let Ok(chosen) = config.rekor(&[1, 2], Timestamp(now), 7) {
            assert!(chosen.len() <= config.rekor_tlog_urls.len());
        }
    }
});
