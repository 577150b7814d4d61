//! Bundles: what is read keeps the bounds that verification relies on.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::bundle::{Bundle, Content, HashName, MAX_ENTRIES, Material, Version};

fuzz_target!(|bytes: &[u8]| {
    let bundle = match Bundle::parse(bytes) {
        Ok(bundle) => bundle,
        Err(error) => {
            assert!(error.to_string().len() < 512, "a foreign text without end");
            return;
        }
    };
    assert!(bundle.log_entries.len() <= MAX_ENTRIES && bundle.timestamps.len() <= MAX_ENTRIES);
    match &bundle.content {
        Content::Envelope(envelope) => assert_eq!(envelope.signatures.len(), 1),
        Content::Message(message) => {
            if let Some((hash, digest)) = &message.digest {
                let length = match hash {
                    HashName::Sha256 => 32,
                    HashName::Sha384 => 48,
                    HashName::Sha512 => 64,
                };
                assert_eq!(digest.len(), length);
            }
        }
    }
    if let Material::Certificates(chain) = &bundle.material {
        assert!(chain.iter().all(|certificate| !certificate.is_empty()));
        let most = if bundle.version == Version::V03 { 1 } else { MAX_ENTRIES };
        assert!((1..=most).contains(&chain.len()));
    }
});
