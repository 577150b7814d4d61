//! in-toto statements: what an attestation says, about which artifacts.
//!
//! SPEC: in-toto attestation framework, Statement v0.1 and v1. Any `_type` is read, as cosign does.
use serde::Deserialize;
use serde_json::value::RawValue;
use sigward_document::Value;
use sigward_oci::Digest;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The predicate type of a signature in a bundle.
pub const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// The payload type of an envelope that holds a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// `_type` of what `attest` writes.
pub const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";
/// `_type` of what `sign` writes.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// Most subjects of one statement.
///
/// COMPAT: cosign 3.1.1: 1024 subjects of 32 digests. test: rejects_a_statement_of_too_many_subjects
pub const MAX_SUBJECTS: usize = 1024;
/// Most digests of one subject.
pub const MAX_DIGESTS: usize = 32;

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// `predicateType`.
    pub predicate_type: SmolStr,
    /// What it is about.
    pub subjects: Vec<Subject>,
    /// `predicate`; null when it is not there.
    pub predicate: Value,
}

/// One artifact.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name; nothing is decided by it.
    pub name: String,
    /// Hexadecimal by name of the algorithm.
    pub digests: BTreeMap<String, String>,
    /// Its annotations, sorted by name.
    pub annotations: Vec<(SmolStr, Value)>,
}

/// Why bytes are no statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not JSON of this shape.
    #[error("malformed statement")]
    Malformed,
    /// More subjects or digests than are read.
    #[error("statement has too many subjects")]
    TooLarge,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    subject: Option<Vec<WireSubject<'a>>>,
    #[serde(rename = "predicateType", default)]
    predicate_type: String,
    #[serde(borrow, default)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireSubject<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    digest: Option<BTreeMap<String, String>>,
    #[serde(borrow, default)]
    annotations: Option<BTreeMap<String, &'a RawValue>>,
}

/// A part of a JSON text as a tree.
pub(crate) fn value(raw: &RawValue) -> Result<Value, StatementError> {
    if raw.get().starts_with('"') {
        let text: String =
            serde_json::from_str(raw.get()).map_err(|_| StatementError::Malformed)?;
        return Ok(Value::string(&text));
    }
    sigward_document::parse_json(raw.get().as_bytes()).map_err(|_| StatementError::Malformed)
}

impl Statement {
    /// Reads a statement; a member of the header that is there twice is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let wire: Wire<'_> =
            crate::encoding::parse_object(bytes).ok_or(StatementError::Malformed)?;
        let wire_subjects = wire.subject.unwrap_or_default();
        if wire_subjects.len() > MAX_SUBJECTS {
            return Err(StatementError::TooLarge);
        }
        let mut subjects = Vec::with_capacity(wire_subjects.len());
        for subject in wire_subjects {
            let digests = subject.digest.unwrap_or_default();
            if digests.len() > MAX_DIGESTS {
                return Err(StatementError::TooLarge);
            }
            let mut annotations = Vec::new();
            for (name, raw) in subject.annotations.unwrap_or_default() {
                annotations.push((SmolStr::new(name), value(raw)?));
            }
            let name = subject.name.unwrap_or_default();
            subjects.push(Subject { name, digests, annotations });
        }
        Ok(Self {
            predicate_type: SmolStr::new(wire.predicate_type),
            subjects,
            predicate: wire.predicate.map_or(Ok(Value::NULL), value)?,
        })
    }

    /// The subjects that are this artifact.
    pub fn about<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a Subject> {
        self.subjects.iter().filter(move |subject| {
            subject.digests.get(digest.algorithm().as_str()).is_some_and(|hex| hex == digest.hex())
        })
    }

    /// The first digest that any subject has, for messages.
    pub(crate) fn first_digest(&self) -> Option<Digest> {
        self.subjects
            .iter()
            .flat_map(|subject| &subject.digests)
            .find_map(|(algorithm, hex)| Digest::parse(&format!("{algorithm}:{hex}")).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_both_versions_and_any_other_type() {
        for kind in [STATEMENT_V01, STATEMENT_V1, "x", ""] {
            let text = format!(
                r#"{{"_type":"{kind}","subject":[{{"name":"a","digest":{{"sha256":"{}"}}}}],"predicateType":"p","predicate":"text"}}"#,
                "07".repeat(32)
            );
            let statement = Statement::parse(text.as_bytes()).unwrap();
            assert_eq!(statement.predicate_type, "p");
            assert_eq!(statement.about(&Digest::sha256(&[7; 32])).count(), 1);
            assert_eq!(statement.about(&Digest::sha256(&[8; 32])).count(), 0);
        }
    }

    #[test]
    fn rejects_a_statement_of_too_many_subjects() {
        let text = |n: usize| format!(r#"{{"subject":[{}]}}"#, vec!["{}"; n].join(","));
        assert!(Statement::parse(text(MAX_SUBJECTS).as_bytes()).is_ok());
        let error = Statement::parse(text(MAX_SUBJECTS + 1).as_bytes()).unwrap_err();
        assert_eq!(error, StatementError::TooLarge);
        let digests: Vec<_> = (0..=MAX_DIGESTS).map(|i| format!(r#""{i}":"""#)).collect();
        let text = format!(r#"{{"subject":[{{"digest":{{{}}}}}]}}"#, digests.join(","));
        assert_eq!(Statement::parse(text.as_bytes()).unwrap_err(), StatementError::TooLarge);
    }

    #[test]
    fn rejects_a_statement_whose_header_is_there_twice() {
        for text in [
            r#"{"predicateType":"a","predicateType":"b"}"#,
            r#"{"subject":[],"subject":[{}]}"#,
            r#"{"subject":[{"digest":{},"digest":{}}]}"#,
        ] {
            assert_eq!(
                Statement::parse(text.as_bytes()).unwrap_err(),
                StatementError::Malformed,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[\\[\\]{}\":,a-z0-9]{0,80}") {
            let _ = Statement::parse(&bytes);
            let _ = Statement::parse(text.as_bytes());
        }
    }
}
