//! Names of images: what is printed is read as the same image, by the way that printed it.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_oci::{Digest, go_reference, kyverno_reference};

fuzz_target!(|text: &str| {
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(Digest::parse(digest.as_str()), Ok(digest));
    }
    for mutation in [true, false] {
        let Ok(found) = kyverno_reference(text, "docker.io", mutation) else { continue };
        let normal = found.normal();
        let again = kyverno_reference(&normal, "docker.io", mutation).expect("our own text");
        assert_eq!(again.normal(), normal);
        assert_eq!(again.repository(), found.repository());
        assert_eq!(again.digest_reference(), found.digest_reference());
        if found.digest.is_none() {
            assert_eq!(again, found);
        }
    }
    if let Ok(found) = go_reference(text) {
        assert_eq!(go_reference(&found.name()).as_ref(), Ok(&found));
    }
});
