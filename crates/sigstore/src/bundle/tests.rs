//! Bundles that are sound by their version's rules, and those that are not.
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn sound() -> Value {
    json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": "aGludA=="}},
        "dsseEnvelope": {"payloadType": "t", "payload": "", "signatures": [{"sig": ""}]},
    })
}

fn parse(json: &Value) -> Result<Bundle, BundleError> {
    Bundle::parse(json.to_string().as_bytes())
}

/// The sound bundle with one edit is refused for this reason.
fn check(edit: impl FnOnce(&mut Value), expected: BundleError) {
    let mut json = sound();
    edit(&mut json);
    assert_eq!(parse(&json).err(), Some(expected), "{json}");
}

fn set_version(json: &mut Value, version: &str) {
    json["mediaType"] =
        format!("application/vnd.dev.sigstore.bundle+json;version={version}").into();
}

#[test]
fn all_four_media_types_are_read_and_no_other() {
    for (version, expected) in [("0.1", Version::V01), ("0.2", Version::V02), ("0.3", Version::V03)]
    {
        let mut json = sound();
        set_version(&mut json, version);
        assert_eq!(parse(&json).unwrap().version, expected);
    }
    assert_eq!(parse(&sound()).unwrap().version, Version::V03);
    for media_type in ["", "application/vnd.dev.sigstore.bundle.v0.4+json", "application/json"] {
        check(
            |json| json["mediaType"] = media_type.into(),
            BundleError::Version { media_type: media_type.into() },
        );
    }
}

#[test]
fn exactly_one_content_is_there() {
    check(|json| _ = json.as_object_mut().unwrap().remove("dsseEnvelope"), BundleError::Content);
    check(|json| json["messageSignature"] = json!({"signature": ""}), BundleError::Content);
    check(|json| json["dsseEnvelope"] = Value::Null, BundleError::Content);
    let mut json = sound();
    json["messageSignature"] = Value::Null;
    assert!(parse(&json).is_ok());
}

#[test]
fn an_envelope_has_exactly_one_signature() {
    check(
        |json| json["dsseEnvelope"]["signatures"] = json!([]),
        BundleError::Envelope(EnvelopeError::NoSignatures),
    );
    check(
        |json| json["dsseEnvelope"]["signatures"] = json!([{"sig": ""}, {"sig": ""}]),
        BundleError::Signatures { found: 2 },
    );
}

#[test]
fn exactly_one_material_is_there_and_a_chain_only_before_version_3() {
    let certificate = json!({"rawBytes": "AAAA"});
    let chain = json!({"certificates": [certificate]});
    check(|json| json["verificationMaterial"] = json!({}), BundleError::Material);
    check(
        |json| json["verificationMaterial"]["certificate"] = certificate.clone(),
        BundleError::Material,
    );
    check(
        |json| json["verificationMaterial"] = json!({"x509CertificateChain": chain}),
        BundleError::Material,
    );
    check(|json| json["verificationMaterial"] = Value::Null, BundleError::Malformed);
    let mut json = sound();
    set_version(&mut json, "0.2");
    json["verificationMaterial"] = json!({"x509CertificateChain": chain});
    assert_eq!(parse(&json).unwrap().material, Material::Certificates(vec![vec![0, 0, 0]]));
}

#[test]
fn log_entries_bring_what_their_version_demands() {
    let entries = |json: &mut Value, entry: Value| {
        json["verificationMaterial"]["tlogEntries"] = json!([entry]);
    };
    let entry = |more: Value| {
        let mut entry = json!({"logId": {"keyId": "AAAA"}, "canonicalizedBody": "e30="});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let promise = entry(json!({"inclusionPromise": {"signedEntryTimestamp": "AAAA"}}));
    let unsigned = entry(json!({"inclusionProof": {"logIndex": "1"}}));
    let proof = entry(json!({"inclusionProof": {"logIndex": 1, "checkpoint": {"envelope": "x"}}}));
    let no_proof = BundleError::LogEntry { missing: "inclusion proof" };
    check(|json| entries(json, promise.clone()), no_proof.clone());
    check(|json| entries(json, entry(json!({"inclusionProof": null}))), no_proof);
    check(|json| entries(json, unsigned), BundleError::LogEntry { missing: "checkpoint" });
    check(
        |json| entries(json, entry(json!({"logIndex": "-1"}))),
        BundleError::Entry(EntryError::Negative("log index")),
    );
    check(|json| entries(json, json!({})), BundleError::Entry(EntryError::Malformed));
    check(
        |json| {
            set_version(json, "0.1");
            entries(json, proof.clone());
        },
        BundleError::LogEntry { missing: "inclusion promise" },
    );
    let mut json = sound();
    entries(&mut json, proof);
    assert_eq!(parse(&json).unwrap().log_entries.len(), 1);
}

#[test]
fn no_more_entries_or_timestamps_than_are_read() {
    let many = |entry: Value| Value::Array(vec![entry; MAX_ENTRIES + 1]);
    check(
        |json| json["verificationMaterial"]["tlogEntries"] = many(json!({"inclusionProof": {}})),
        BundleError::TooMany,
    );
    check(
        |json| {
            json["verificationMaterial"]["timestampVerificationData"] =
                json!({"rfc3161Timestamps": many(json!({"signedTimestamp": ""}))});
        },
        BundleError::TooMany,
    );
}

#[test]
fn the_names_of_the_fields_are_read_as_well() {
    let json = json!({
        "media_type": MEDIA_TYPE,
        "verification_material": {"public_key": {"hint": "h"}},
        "message_signature": {
            "message_digest": {"algorithm": 1, "digest": "A".repeat(43)},
            "signature": "-_8",
        },
    });
    let Content::Message(message) = parse(&json).unwrap().content else { panic!("a message") };
    assert_eq!(message.signature, [0xfb, 0xff]);
    assert_eq!(message.digest, Some((HashName::Sha256, vec![0; 32])));
    // Not both at once.
    let mut json = sound();
    json["media_type"] = MEDIA_TYPE.into();
    assert_eq!(parse(&json).err(), Some(BundleError::Malformed));
}

#[test]
fn a_missing_message_digest_is_no_obstacle_and_a_strange_one_is() {
    let message = |digest: Value| {
        let mut json = sound();
        json.as_object_mut().unwrap().remove("dsseEnvelope");
        json["messageSignature"] = json!({"messageDigest": digest, "signature": ""});
        parse(&json).map(|bundle| match bundle.content {
            Content::Message(message) => message.digest,
            Content::Envelope(_) => panic!("a message"),
        })
    };
    assert_eq!(message(json!({})), Ok(None));
    assert_eq!(message(Value::Null), Ok(None));
    assert_eq!(message(json!({"algorithm": "SHA2_256"})), Err(BundleError::Hash));
    assert_eq!(message(json!({"digest": "AAAA"})), Err(BundleError::Hash));
    assert_eq!(message(json!({"algorithm": "MD5", "digest": "AAAA"})), Err(BundleError::Hash));
    assert_eq!(message(json!({"algorithm": 9, "digest": "AAAA"})), Err(BundleError::Hash));
    assert_eq!(message(json!({"algorithm": "SHA2_256", "digest": "%"})), Err(BundleError::Base64));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, at in 0_usize..200, to: u8) {
        let _ = Bundle::parse(&bytes);
        let mut text = sound().to_string().into_bytes();
        let at = at % text.len();
        text[at] = to;
        let _ = Bundle::parse(&text);
    }
}
