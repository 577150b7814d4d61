//! Trust material read, put together, hashed, and written again.
use super::*;
use crate::keys::{Entropy, EntropyError, PrivateKey, Signer as _};
use std::path::Path;

fn key(seed: u8) -> PublicKey {
    struct Fixed(u8);
    impl Entropy for Fixed {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
            out.fill(self.0);
            Ok(())
        }
    }
    PrivateKey::generate(&mut Fixed(seed)).unwrap().public_key().clone()
}

fn authority(name: &str) -> CertificateAuthority {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "example.com");
    let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    CertificateAuthority::from_pem(
        "https://ca.example.com",
        &certificate.pem(),
        Validity::since(Timestamp(1_600_000_000)),
    )
    .unwrap()
}

fn parts() -> TrustParts {
    let valid = Validity::since(Timestamp(1_600_000_000));
    TrustParts {
        certificate_authorities: vec![authority("root")],
        timestamp_authorities: vec![authority("tsa")],
        tlogs: vec![
            TransparencyLog::new("https://rekor.example.com", key(1), valid),
            TransparencyLog::with_origin(
                "https://tiles.example.com",
                "tiles.example.com",
                key(2),
                valid,
            ),
        ],
        ctlogs: vec![TransparencyLog::new("https://ct.example.com", key(3), valid)],
    }
}

#[test]
fn what_is_put_together_is_read_back_with_the_same_hash() {
    let root = TrustedRoot::new(parts()).unwrap();
    let read = TrustedRoot::parse(root.to_json().as_bytes()).unwrap();
    assert_eq!(read, root);
    assert_eq!(read.parts().certificate_authorities[0].subject.1, "root");
    assert!(root.parts().tlogs[0].is_named_by_key());
    assert!(!root.parts().tlogs[1].is_named_by_key());
}

#[test]
fn the_hash_depends_on_what_can_change_a_verdict_and_on_nothing_else() {
    let sound = parts();
    let id = |parts: &TrustParts| TrustedRoot::new(parts.clone()).unwrap().id();
    let mut edits: Vec<TrustParts> = Vec::new();
    let mut edit = |change: &dyn Fn(&mut TrustParts)| {
        let mut changed = sound.clone();
        change(&mut changed);
        edits.push(changed);
    };
    edit(&|p| p.certificate_authorities.clear());
    edit(&|p| p.certificate_authorities[0].valid_for.end = Some(Timestamp(2_000_000_000)));
    edit(&|p| p.certificate_authorities = p.timestamp_authorities.clone());
    edit(&|p| p.timestamp_authorities[0].valid_for.start = None);
    edit(&|p| p.tlogs[0].key = key(9));
    edit(&|p| p.tlogs[0].log_id[0] ^= 1);
    edit(&|p| p.tlogs[0].base_url.push('x'));
    edit(&|p| p.tlogs[0].operator.push('x'));
    edit(&|p| p.tlogs[1].checkpoint_key_id = Some(vec![1]));
    edit(&|p| p.ctlogs = p.tlogs.clone());
    let mut ids: Vec<_> = edits.iter().map(id).collect();
    ids.push(id(&sound));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let mut same = sound.clone();
    same.tlogs.reverse();
    same.certificate_authorities[0].uri = "elsewhere".to_owned();
    assert_eq!(id(&same), id(&sound));
}

#[test]
fn the_end_of_a_period_belongs_to_it() {
    let period = Validity { start: Some(Timestamp(5)), end: Some(Timestamp(7)) };
    let inside: Vec<_> = (4..9).filter(|at| period.contains(Timestamp(*at))).collect();
    assert_eq!(inside, [5, 6, 7]);
    assert!(Validity::default().contains(Timestamp(-1)));
}

fn edited(change: impl FnOnce(&mut serde_json::Value)) -> Result<TrustedRoot, TrustError> {
    let text = TrustedRoot::new(parts()).unwrap().to_json();
    let mut json = serde_json::from_str(&text).unwrap();
    change(&mut json);
    TrustedRoot::parse(json.to_string().as_bytes())
}

#[track_caller]
fn names(change: impl FnOnce(&mut serde_json::Value), field: &str) {
    match edited(change) {
        Err(TrustError::Element { field: found, .. }) => assert_eq!(found, field),
        other => panic!("{field}: {other:?}"),
    }
}

#[test]
fn a_log_without_a_start_is_refused() {
    names(
        |json| json["tlogs"][0]["publicKey"]["validFor"] = serde_json::json!({}),
        "tlogs[0].publicKey.validFor.start",
    );
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    names(|json| json["tlogs"][1]["publicKey"] = serde_json::Value::Null, "tlogs[1].publicKey");
    names(
        |json| json["ctlogs"][0]["publicKey"]["rawBytes"] = "%".into(),
        "ctlogs[0].publicKey.rawBytes",
    );
    names(
        |json| json["certificateAuthorities"][0]["certChain"] = serde_json::json!({}),
        "certificateAuthorities[0].certChain",
    );
    names(
        |json| json["timestampAuthorities"][0]["validFor"]["end"] = "tomorrow".into(),
        "timestampAuthorities[0].validFor.end",
    );
    assert!(matches!(
        edited(|json| json["mediaType"] = "application/json".into()),
        Err(TrustError::MediaType(_))
    ));
    assert!(matches!(TrustedRoot::parse(b"[]"), Err(TrustError::Malformed(_))));
}

#[test]
fn an_element_of_an_unknown_algorithm_is_left_out_and_named() {
    // SPKI with an algorithm that nobody knows.
    let spki = crate::der::sequence(&[
        &crate::der::sequence(&[&crate::der::element(crate::der::OID, &[0x2a, 0x03])]),
        &crate::der::bit_string(&[1, 2, 3]),
    ]);
    let raw = crate::encoding::encode_base64(&spki);
    let root = edited(|json| json["tlogs"][0]["publicKey"]["rawBytes"] = raw.into()).unwrap();
    assert_eq!(root.parts().tlogs.len(), 1);
    assert_eq!(root.unsupported().len(), 1, "{:?}", root.unsupported());
}

/// The roots of the public instances, when they are at hand.
fn published() -> Vec<(String, Vec<u8>)> {
    let shared = std::env::var_os("SIGWARD_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    let folder = shared.join("reference/trust");
    let names = ["trusted_root.json", "trusted_root_staging.json", "trusted_root_github.json"];
    let read = |name: &str| Some((name.to_owned(), std::fs::read(folder.join(name)).ok()?));
    let found: Vec<_> = names.into_iter().filter_map(read).collect();
    if found.is_empty() {
        println!("skipped: {} is not there", folder.display());
    }
    found
}

#[test]
fn the_roots_of_the_public_instances_are_read_and_written_alike() {
    for (name, bytes) in published() {
        let root = TrustedRoot::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(root.unsupported().is_empty(), "{name}: {:?}", root.unsupported());
        let again = TrustedRoot::parse(root.to_json().as_bytes()).unwrap();
        assert_eq!(again, root, "{name}");
        for log in &root.parts().tlogs {
            // Both ways of naming a log are understood.
            let named = log.is_named_by_key() || log.log_id == note_key_id(log.host(), &log.key);
            assert!(named, "{name}: {}", log.base_url);
        }
    }
}

fn service(url: &str, version: u32, start: i64, operator: &str) -> Service {
    Service {
        url: url.to_owned(),
        major_api_version: version,
        valid_for: Validity::since(Timestamp(start)),
        operator: operator.to_owned(),
    }
}

#[test]
fn services_are_chosen_by_version_then_age_and_one_of_each_operator() {
    let all = vec![
        service("old", 1, 10, "a"),
        service("new", 1, 20, "a"),
        service("future", 1, 1000, "a"),
        service("two", 2, 5, "a"),
        service("other", 1, 5, "b"),
        service("three", 3, 5, "c"),
    ];
    let urls = |selector, versions: &[u32], seed| {
        select(&all, selector, versions, Timestamp(100), seed)
            .map(|chosen| chosen.into_iter().map(|s| s.url.as_str()).collect::<Vec<_>>())
    };
    assert_eq!(urls(Selector::All, &[1], 0).unwrap(), ["new", "other"]);
    assert_eq!(urls(Selector::All, &[1, 2], 0).unwrap(), ["two", "other"]);
    assert_eq!(urls(Selector::Any, &[1], 0).unwrap(), ["new"]);
    assert_eq!(urls(Selector::Any, &[1], 1).unwrap(), ["other"]);
    assert_eq!(urls(Selector::Exact(1), &[1], 7).unwrap(), ["new"]);
    let few = SigningConfigError::TooFew { wanted: 3, found: 2 };
    assert_eq!(urls(Selector::Exact(3), &[1], 0), Err(few));
    assert_eq!(urls(Selector::Any, &[9], 0), Err(SigningConfigError::NoService));
}

#[test]
fn a_signing_config_is_read_and_written_alike() {
    let config = SigningConfig {
        ca_urls: vec![service("https://ca", 1, 10, "a")],
        oidc_urls: vec![service("https://oidc", 1, 10, "a")],
        rekor_tlog_urls: vec![service("https://log", 2, 10, "a")],
        tsa_urls: vec![service("https://tsa", 1, 10, "a")],
        rekor_tlog_config: Some(Selector::Any),
        tsa_config: Some(Selector::Exact(1)),
    };
    assert_eq!(SigningConfig::parse(config.to_json().as_bytes()), Ok(config.clone()));
    assert_eq!(config.ca(&[1], Timestamp(11)).unwrap().unwrap().url, "https://ca");
    assert_eq!(config.ca(&[1], Timestamp(9)), Err(SigningConfigError::NoService));
    let missing = SigningConfig { tsa_config: None, ..config };
    assert!(matches!(missing.tsa(&[1], Timestamp(11), 0), Err(SigningConfigError::Field { .. })));
    let empty = SigningConfig::default();
    assert_eq!(SigningConfig::parse(empty.to_json().as_bytes()), Ok(empty.clone()));
    assert_eq!(empty.ca(&[1], Timestamp(11)), Ok(None));
    assert_eq!(empty.rekor(&[1], Timestamp(11), 0), Ok(Vec::new()));
}

#[test]
fn a_broken_signing_config_is_refused_with_its_field() {
    let field = |text: &str| match SigningConfig::parse(text.as_bytes()) {
        Err(SigningConfigError::Field { field, .. }) => field,
        other => panic!("{text}: {other:?}"),
    };
    let kind = r#""mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json""#;
    assert_eq!(field(&format!(r#"{{{kind},"caUrls":[{{}}]}}"#)), "caUrls[0].url");
    assert_eq!(
        field(&format!(r#"{{{kind},"tsaUrls":[{{"url":"u","validFor":{{"start":"x"}}}}]}}"#)),
        "tsaUrls[0].validFor.start"
    );
    for selector in [r#"{"selector":"SOME"}"#, r#"{"selector":"EXACT"}"#] {
        assert_eq!(field(&format!(r#"{{{kind},"tsaConfig":{selector}}}"#)), "tsaConfig.selector");
    }
    assert!(matches!(
        SigningConfig::parse(br#"{"mediaType":"x"}"#),
        Err(SigningConfigError::MediaType(_))
    ));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = TrustedRoot::parse(&bytes);
        let _ = SigningConfig::parse(&bytes);
    }
}

#[test]
fn an_empty_selector_is_none() {
    let written = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json", "rekorTlogConfig":{}, "tsaConfig":{}}"#;
    let config = SigningConfig::parse(written.as_bytes()).unwrap();
    assert_eq!(config, SigningConfig::default());
}
