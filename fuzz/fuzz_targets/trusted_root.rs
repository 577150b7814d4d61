//! Trusted roots: what is read is written and read again with the same hash.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::trust::{MAX_AUTHORITIES, TrustedRoot};

fuzz_target!(|bytes: &[u8]| {
    let Ok(root) = TrustedRoot::parse(bytes) else { return };
    assert!(root.parts().tlogs.len() <= MAX_AUTHORITIES);
    let again = TrustedRoot::parse(root.to_json().as_bytes()).unwrap();
    assert_eq!(again.id(), root.id());
});
