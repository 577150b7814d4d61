//! Statements: what is read keeps its bounds, and is about a digest only where one subject says so in full.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_oci::Digest;
use sigward_sigstore::statement::{MAX_DIGESTS, MAX_SUBJECTS, Statement};

fuzz_target!(|bytes: &[u8]| {
    let Ok(statement) = Statement::parse(bytes) else { return };
    assert!(statement.subjects.len() <= MAX_SUBJECTS);
    for subject in &statement.subjects {
        assert!(subject.digests.len() <= MAX_DIGESTS);
        for (algorithm, hex) in &subject.digests {
            let Ok(digest) = Digest::parse(&format!("{algorithm}:{hex}")) else { continue };
            assert!(statement.about(&digest).any(|found| std::ptr::eq(found, subject)));
        }
    }
    let other = Digest::sha256(&[0x5a; 32]);
    for subject in statement.about(&other) {
        assert_eq!(subject.digests.get("sha256").map(String::as_str), Some(other.hex()));
    }
});
