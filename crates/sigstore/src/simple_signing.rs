//! The payload that cosign signs for an image in the legacy format.
//!
//! The signature is over the stored bytes, so a payload is parsed for its claims and never written
//! again.
use crate::encoding::go_json_string;
use serde::Deserialize;
use serde_json::value::RawValue;
use sigward_document::Value;
use sigward_oci::Digest;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What `critical.type` says.
pub const PAYLOAD_TYPE: &str = "cosign container image signature";

/// The claims of one payload.
#[derive(Clone, Debug)]
pub struct Payload {
    /// `critical.identity.docker-reference`: repository without tag; says where the image was, which
    /// mirrors may contradict, so nothing is decided by it.
    pub docker_reference: String,
    /// `critical.image.docker-manifest-digest`: the image that was signed.
    pub digest: Digest,
    /// `optional`: the annotations, sorted by name.
    pub optional: Vec<(SmolStr, Value)>,
}

/// Why a payload claims nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not JSON of this shape.
    #[error("malformed payload")]
    Malformed,
    /// No digest in it, or something that is none.
    #[error("no digest in payload")]
    NoDigest,
}

#[derive(Deserialize)]
struct Wire<'a> {
    critical: Critical,
    #[serde(borrow, default)]
    optional: Option<BTreeMap<String, &'a RawValue>>,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Identity,
    #[serde(default)]
    image: Image,
}

#[derive(Default, Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference", default)]
    docker_reference: String,
}

#[derive(Default, Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest", default)]
    digest: String,
}

impl Payload {
    /// Reads the claims.
    ///
    /// SPEC: containers/image docs "containers-signature(5)", as cosign narrows it. A member that is
    /// there twice is refused, so that no two readers can disagree about the digest.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let wire: Wire<'_> = crate::encoding::parse_object(bytes).ok_or(PayloadError::Malformed)?;
        let digest =
            Digest::parse(&wire.critical.image.digest).map_err(|_| PayloadError::NoDigest)?;
        let optional = wire
            .optional
            .unwrap_or_default()
            .into_iter()
            .map(|(name, raw)| Ok((SmolStr::new(name), crate::statement::value(raw)?)))
            .collect::<Result<_, crate::statement::StatementError>>()
            .map_err(|_| PayloadError::Malformed)?;
        Ok(Self { docker_reference: wire.critical.identity.docker_reference, digest, optional })
    }
}

/// Writes the payload for an image: `repository` is what goes into `docker-reference`.
///
/// COMPAT: cosign 3.1.1: Go's field order, keys sorted, `<`, `>` and `&` escaped, `null` without
/// annotations. test: the_payload_is_what_cosign_writes
pub fn render(repository: &str, digest: &Digest, annotations: &BTreeMap<String, String>) -> String {
    let mut out = String::from(r#"{"critical":{"identity":{"docker-reference":"#);
    out.push_str(&go_json_string(repository));
    out.push_str(r#"},"image":{"docker-manifest-digest":"#);
    out.push_str(&go_json_string(digest.as_str()));
    out.push_str(r#"},"type":"#);
    out.push_str(&go_json_string(PAYLOAD_TYPE));
    out.push_str(r#"},"optional":"#);
    if annotations.is_empty() {
        out.push_str("null}");
        return out;
    }
    for (i, (name, text)) in annotations.iter().enumerate() {
        out.push(if i == 0 { '{' } else { ',' });
        out.push_str(&go_json_string(name));
        out.push(':');
        out.push_str(&go_json_string(text));
    }
    out.push_str("}}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest() -> Digest {
        Digest::sha256(&[7; 32])
    }

    #[test]
    fn the_payload_is_what_cosign_writes() {
        let hex = "07".repeat(32);
        assert_eq!(
            render("localhost:5000/test/a", &digest(), &BTreeMap::new()),
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"localhost:5000/test/a"}},"image":{{"docker-manifest-digest":"sha256:{hex}"}},"type":"cosign container image signature"}},"optional":null}}"#
            )
        );
        let annotations = BTreeMap::from([
            ("b".to_owned(), "x<y>&\u{2028}\"".to_owned()),
            ("a".to_owned(), "é".to_owned()),
        ]);
        assert!(
            render("r", &digest(), &annotations)
                .ends_with(r#""optional":{"a":"é","b":"x\u003cy\u003e\u0026\u2028\""}}"#)
        );
    }

    fn check(bytes: &str, expected: PayloadError) {
        assert_eq!(Payload::parse(bytes.as_bytes()).err(), Some(expected), "{bytes}");
    }

    #[test]
    fn rejects_a_payload_that_could_be_read_in_two_ways() {
        let one = format!(r#""docker-manifest-digest":"{}""#, digest());
        let other = format!(r#""docker-manifest-digest":"{}""#, Digest::sha256(&[8; 32]));
        check(&format!(r#"{{"critical":{{"image":{{{one},{other}}}}}}}"#), PayloadError::Malformed);
        check(
            &format!(r#"{{"critical":{{"image":{{{one}}}}},"critical":{{"image":{{{other}}}}}}}"#),
            PayloadError::Malformed,
        );
        check(&format!(r#"{{"critical":{{"image":{{{one}}}}}}} x"#), PayloadError::Malformed);
    }

    #[test]
    fn rejects_a_payload_without_a_digest() {
        check(r#"{"critical":{}}"#, PayloadError::NoDigest);
        check(r#"{"critical":{"image":{"docker-manifest-digest":""}}}"#, PayloadError::NoDigest);
        check(
            r#"{"critical":{"image":{"docker-manifest-digest":"sha256:ab"}}}"#,
            PayloadError::NoDigest,
        );
        check("{}", PayloadError::Malformed);
        check("[]", PayloadError::Malformed);
        check("", PayloadError::Malformed);
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_parsed(
            repository in ".{0,40}",
            annotations in prop::collection::btree_map(".{0,8}", ".{0,20}", 0..4),
        ) {
            let text = render(&repository, &digest(), &annotations);
            let payload = Payload::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(payload.docker_reference, repository);
            prop_assert_eq!(payload.digest, digest());
            let read: BTreeMap<String, String> = payload
                .optional
                .iter()
                .map(|(k, v)| (k.to_string(), v.as_str().unwrap().to_owned()))
                .collect();
            prop_assert_eq!(read, annotations);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Payload::parse(&bytes);
        }
    }
}
