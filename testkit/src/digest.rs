//! Content digests as registries write them: `sha256:` or `sha512:` and lower-case hexadecimal.

use std::fmt::Write as _;

use aws_lc_rs::digest;

/// The `sha256:…` digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    labelled("sha256", bytes, &digest::SHA256)
}

/// The `sha512:…` digest of `bytes`.
pub fn sha512(bytes: &[u8]) -> String {
    labelled("sha512", bytes, &digest::SHA512)
}

/// The hexadecimal part of [`sha256`].
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower-case hexadecimal of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether `text` has the shape of a digest: a known algorithm and as many lower-case hexadecimal digits as it yields.
// SPEC: OCI image specification 1.1, descriptor, "Digests": sha256 and sha512 are the registered algorithms.
pub fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `bytes` have the digest `expected`, by the algorithm that it names; false for an unknown algorithm.
pub fn matches(expected: &str, bytes: &[u8]) -> bool {
    match expected.split_once(':') {
        Some(("sha256", _)) => sha256(bytes) == expected,
        Some(("sha512", _)) => sha512(bytes) == expected,
        _ => false,
    }
}

fn labelled(name: &str, bytes: &[u8], algorithm: &'static digest::Algorithm) -> String {
    format!("{name}:{}", hex(digest::digest(algorithm, bytes).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        assert_eq!(
            sha256(b""),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn tells_digests_from_tags_and_from_broken_digests() {
        assert!(is_digest(&sha256(b"x")));
        assert!(is_digest(&sha512(b"x")));
        for bad in [
            "latest",
            "sha256:",
            "sha256:abcd",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &sha256(b"x").to_uppercase(),
        ] {
            assert!(!is_digest(bad), "{bad}");
        }
    }

    #[test]
    fn matches_only_the_content_it_names() {
        assert!(matches(&sha512(b"a"), b"a"));
        assert!(!matches(&sha256(b"a"), b"b"));
        assert!(!matches("md5:0cc175b9c0f1b6a831c399e269772661", b"a"));
    }
}
