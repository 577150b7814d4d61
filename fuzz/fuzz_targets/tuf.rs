//! TUF metadata: as bytes of a stranger, and behind a sound signature, where the rest of the reading begins.
#![no_main]
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use sigward_sigstore::{
    keys::{PrivateKey, Signer as _, decrypt_private_key},
    requirement::Timestamp,
    tuf::{Find, Kept, Repository, TufError, Update, canonical},
};

/// The example key of RFC 8410.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";
const NOW: Timestamp = Timestamp(1_790_000_000);
const EXPIRES: &str = "2099-01-01T00:00:00Z";

fn file(key: &PrivateKey, signed: &Value) -> Vec<u8> {
    let text = canonical(signed).unwrap_or_default();
    let signature: String =
        key.sign(text.as_bytes()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "signatures": [{ "keyid": "k", "sig": signature }], "signed": signed })
        .to_string()
        .into_bytes()
}

fn root(key: &PrivateKey) -> Vec<u8> {
    let spki = key.public_key().as_der();
    let public: String = spki[spki.len() - 32..].iter().map(|byte| format!("{byte:02x}")).collect();
    let role = json!({ "keyids": ["k"], "threshold": 1 });
    let signed = json!({
        "_type": "root", "spec_version": "1.0", "version": 1, "expires": EXPIRES, "consistent_snapshot": true,
        "keys": { "k": { "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public } } },
        "roles": { "root": role, "timestamp": role, "snapshot": role, "targets": role },
    });
    file(key, &signed)
}

/// Names what lies below, in the version that it has.
fn above(kind: &str, name: &str, below: &Value) -> Value {
    let version = below.get("version").and_then(Value::as_u64).unwrap_or(1);
    json!({
        "_type": kind, "spec_version": "1.0", "version": 1, "expires": EXPIRES,
        "meta": { (name): { "version": version }, "role.json": { "version": version } },
    })
}

fn update(kind: u8, key: &PrivateKey, signed: &Value) -> Result<Option<Repository>, TufError> {
    let mut update = Update::new(&root(key), Kept::default(), NOW)?;
    if kind == 0 {
        return update.answer(Some(&file(key, signed))).map(|()| None);
    }
    let (mut timestamp, mut snapshot) = (signed.clone(), signed.clone());
    if kind > 2 {
        snapshot = above("snapshot", "targets.json", signed);
    }
    if kind > 1 {
        timestamp = above("timestamp", "snapshot.json", &snapshot);
    }
    update.answer(None)?;
    for signed in [&timestamp, &snapshot, signed].into_iter().take(kind.into()) {
        update.answer(Some(&file(key, signed)))?;
    }
    if kind > 2 { update.finish().map(Some) } else { Ok(None) }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    assert!(Update::new(bytes, Kept::default(), NOW).is_err(), "a root that nobody signed");
    let Ok(signed) = serde_json::from_slice::<Value>(bytes) else { return };
    let key = decrypt_private_key(KEY, b"").unwrap();
    let Ok(Some(repository)) = update(kind % 4, &key, &signed) else { return };
    let opened = Repository::open(repository.kept(), NOW).unwrap();
    assert_eq!(opened.versions(), repository.versions());
    for name in repository.names() {
        if let Ok(Find::Found(target)) = repository.find(name)
            && let Ok(ask) = repository.ask_target(&target)
        {
            assert!(ask.path.starts_with("targets/"));
            assert!(
                ask.path.split('/').all(|part| part != ".." && part != "." && !part.is_empty())
            );
        }
    }
});
