//! Log entries in bundles, annotations and answers of Rekor: what is read is written and read again alike.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::tlog::{LogEntry, MAX_PATH};

fn law(entry: &LogEntry) {
    if let Some(proof) = &entry.proof {
        assert!(proof.hashes.len() <= MAX_PATH);
        let _ = proof.check(&entry.body);
    }
    let json = entry.to_bundle_json().to_string();
    let Ok(again) = LogEntry::parse_rekor_v2(json.as_bytes()) else {
        assert!(entry.body.is_empty() || entry.log_id.is_empty(), "{json}");
        return;
    };
    assert_eq!(&again, entry);
    if let Some(annotation) = entry.to_annotation() {
        let again = LogEntry::parse_annotation(&annotation).unwrap();
        assert_eq!((&again.body, again.integrated_time), (&entry.body, entry.integrated_time));
    }
}

fuzz_target!(|bytes: &[u8]| {
    for read in [LogEntry::parse_rekor_v1, LogEntry::parse_rekor_v2] {
        if let Ok(entry) = read(bytes) {
            law(&entry);
        }
    }
    for entry in LogEntry::parse_rekor_v1_list(bytes).unwrap_or_default() {
        law(&entry);
    }
    if let Some(entry) =
        std::str::from_utf8(bytes).ok().and_then(|t| LogEntry::parse_annotation(t).ok())
    {
        law(&entry);
    }
});
