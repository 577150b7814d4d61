//! Keys against an independent signer, and against files that cosign made.
use super::*;
use crate::requirement::Timestamp;
use proptest::prelude::*;
use sigward_testkit::keys::{Algorithm as Kind, KeyPair, Scheme};

/// Counts upwards: as unpredictable as a test needs.
struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for byte in out {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

struct Broken;

impl Entropy for Broken {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

const KINDS: [Kind; 5] =
    [Kind::EcdsaP256, Kind::EcdsaP384, Kind::EcdsaP521, Kind::Rsa2048, Kind::Ed25519];

fn pair(kind: Kind) -> KeyPair {
    KeyPair::shared(kind).unwrap()
}

fn public(kind: Kind) -> PublicKey {
    PublicKey::parse_pem(&pair(kind).public_pem()).unwrap()
}

/// The signature verifies, and no neighbour of it does.
fn check(kind: Kind, scheme: Scheme) {
    let key = public(kind);
    let signature = pair(kind).sign_by(scheme, b"message").unwrap();
    assert_eq!(key.verify(b"message", &signature), Ok(()), "{kind:?} {scheme:?}");
    assert!(key.could_have_made(&signature), "{kind:?} {scheme:?}");
    assert_eq!(key.verify(b"massage", &signature), Err(SignatureMismatch));
    assert_eq!(key.verify(b"", &signature), Err(SignatureMismatch));
    let mut longer = signature.clone();
    longer.push(0);
    assert_eq!(key.verify(b"message", &longer), Err(SignatureMismatch), "{kind:?} {scheme:?}");
    for at in (0..signature.len()).step_by(7) {
        for bit in [1, 0x80] {
            let mut flipped = signature.clone();
            flipped[at] ^= bit;
            let answer = key.verify(b"message", &flipped);
            assert_eq!(answer, Err(SignatureMismatch), "{kind:?} {scheme:?} byte {at}");
        }
    }
    for length in 0..signature.len() {
        let answer = key.verify(b"message", &signature[..length]);
        assert_eq!(answer, Err(SignatureMismatch), "{kind:?} {scheme:?} cut to {length}");
    }
}

#[test]
fn each_sound_combination_verifies() {
    for kind in KINDS {
        check(kind, Scheme::Default);
    }
    check(Kind::EcdsaP256, Scheme::EcdsaRaw);
    check(Kind::EcdsaP384, Scheme::EcdsaRaw);
    check(Kind::EcdsaP521, Scheme::EcdsaRaw);
    check(Kind::EcdsaP521, Scheme::Sha256);
    check(Kind::Rsa2048, Scheme::RsaSha512);
    check(Kind::Rsa2048, Scheme::RsaPssSha256);
    check(Kind::Ed25519, Scheme::Ed25519ph);
}

#[test]
fn a_signature_verifies_by_its_hash_alone_where_that_is_possible() {
    let hash = crate::encoding::sha256(b"message");
    for (kind, scheme, possible) in [
        (Kind::EcdsaP256, Scheme::Default, true),
        (Kind::EcdsaP521, Scheme::Sha256, true),
        (Kind::Rsa2048, Scheme::Default, true),
        (Kind::Rsa2048, Scheme::RsaPssSha256, true),
        (Kind::EcdsaP384, Scheme::Default, false),
        (Kind::Ed25519, Scheme::Default, false),
    ] {
        let signature = pair(kind).sign_by(scheme, b"message").unwrap();
        assert_eq!(
            public(kind).verify_sha256(&hash, &signature).is_ok(),
            possible,
            "{kind:?} {scheme:?}"
        );
        let other = crate::encoding::sha256(b"massage");
        assert!(public(kind).verify_sha256(&other, &signature).is_err());
    }
}

#[test]
fn a_signature_of_one_key_is_not_another_keys() {
    for signer in KINDS {
        let signature = pair(signer).sign(b"message").unwrap();
        for kind in KINDS.into_iter().filter(|kind| *kind != signer) {
            assert!(public(kind).verify(b"message", &signature).is_err(), "{signer:?} {kind:?}");
        }
        let other = KeyPair::generate(Kind::EcdsaP256).unwrap();
        let other = PublicKey::parse_der(other.spki_der()).unwrap();
        assert!(other.verify(b"message", &signature).is_err());
    }
}

#[test]
fn one_key_is_one_identity_however_it_is_written() {
    for kind in KINDS {
        let key = public(kind);
        assert_eq!(key.as_der(), pair(kind).spki_der());
        assert_eq!(key.id(), pair(kind).fingerprint());
        assert_eq!(key.hint(), pair(kind).hint());
        assert_eq!(PublicKey::parse_pem(&key.to_pem()).unwrap(), key);
        let certificate = pair(kind).certificate_pem("x").unwrap();
        assert_eq!(PublicKey::parse_pem(&certificate).unwrap(), key);
    }
    let pkcs1 = pair(Kind::Rsa2048).public_pkcs1_pem().unwrap();
    assert_eq!(PublicKey::parse_pem(&pkcs1).unwrap(), public(Kind::Rsa2048));
}

#[test]
fn a_certificate_gives_its_key() {
    let pem = pair(Kind::EcdsaP256).certificate_pem("x").unwrap();
    let certificate = Certificate::parse_pem(&pem).unwrap();
    assert_eq!(certificate.key(), &public(Kind::EcdsaP256));
    assert!(certificate.not_before() < certificate.not_after());
    assert!(!certificate.out_of_date(certificate.not_after()));
    assert!(certificate.out_of_date(Timestamp(certificate.not_after().0 + 1)));
    assert!(certificate.out_of_date(Timestamp(certificate.not_before().0 - 1)));
}

#[test]
fn a_text_of_several_keys_gives_all_of_them_in_order() {
    let text = KINDS.map(|kind| format!("# a key\n{}\n", pair(kind).public_pem())).concat();
    let keys = PublicKey::parse_pem_all(&text).unwrap();
    assert_eq!(keys, KINDS.map(public));
    assert_eq!(PublicKey::parse_pem(&text), Err(KeyError::Several { found: 5 }));
}

#[test]
fn white_space_around_and_inside_a_block_does_not_matter() {
    let pem = public(Kind::EcdsaP256).to_pem();
    let lines: Vec<_> = pem.lines().map(|line| format!("    {line}  \r\n")).collect();
    let indented = lines.concat();
    assert_eq!(PublicKey::parse_pem(&indented).unwrap(), public(Kind::EcdsaP256));
    let joined = pem.replacen("-----\n", "-----\n\n", 1);
    assert_eq!(PublicKey::parse_pem(&joined).unwrap(), public(Kind::EcdsaP256));
}

#[test]
fn a_block_that_does_not_end_is_an_error() {
    let pem = public(Kind::EcdsaP256).to_pem();
    let broken = pem.replace("-----END PUBLIC KEY-----", "");
    for text in [format!("{pem}{broken}"), format!("{broken}{pem}"), broken] {
        let error = PublicKey::parse_pem_all(&text).unwrap_err();
        assert_eq!(error, KeyError::BrokenPem { label: "PUBLIC KEY".into() });
    }
}

#[test]
fn what_is_no_public_key_is_refused_with_the_reason() {
    let refuse = |text: &str| PublicKey::parse_pem_all(text).unwrap_err();
    assert_eq!(refuse(""), KeyError::NoPem);
    assert_eq!(refuse("k8s://ns/name"), KeyError::NoPem);
    let private = pair(Kind::EcdsaP256).private_pem();
    assert_eq!(refuse(&private), KeyError::Label { label: "PRIVATE KEY".into() });
    let garbage = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert_eq!(refuse(garbage), KeyError::Malformed { what: "public key" });
    let many = public(Kind::EcdsaP256).to_pem().repeat(MAX_KEYS + 1);
    assert_eq!(refuse(&many), KeyError::TooLarge);
    assert_eq!(refuse(&"x".repeat(1 << 20)), KeyError::TooLarge);
}

#[test]
fn weak_and_foreign_keys_are_refused() {
    // Not on the curve.
    let mut der = public(Kind::EcdsaP256).0;
    *der.last_mut().unwrap() ^= 1;
    assert_eq!(PublicKey::parse_der(&der), Err(KeyError::Weak));
    // Of small order: anyone can sign for it.
    let small = public::ed25519_spki(&[0; 32]);
    assert_eq!(PublicKey::parse_der(&small), Err(KeyError::Weak));
    // X25519.
    let mut x25519 = public(Kind::Ed25519).0;
    let at = x25519.windows(3).position(|w| w == public::OID_ED25519).unwrap();
    x25519[at + 2] = 0x6e;
    assert!(matches!(PublicKey::parse_der(&x25519), Err(KeyError::Algorithm { .. })));
    // 1024 bits.
    let modulus = [&[0x80][..], &[1; 127]].concat();
    let pkcs1 =
        crate::der::sequence(&[&crate::der::integer(&modulus), &crate::der::integer(&[1, 0, 1])]);
    assert_eq!(
        PublicKey::parse_der(&public::rsa_spki(&pkcs1)),
        Err(KeyError::RsaSize { bits: 1024 })
    );
}

#[test]
fn bytes_that_are_no_key_verify_nothing() {
    let signature = pair(Kind::EcdsaP256).sign(b"message").unwrap();
    for bytes in [vec![], vec![0x30, 0], vec![1; 91]] {
        assert_eq!(PublicKey(bytes).verify(b"message", &signature), Err(SignatureMismatch));
    }
}

#[test]
fn private_keys_of_every_form_sign_for_their_public_key() {
    for kind in KINDS {
        let forms = [Some(pair(kind).private_pem()), pair(kind).private_traditional_pem()];
        for pem in forms.into_iter().flatten() {
            let key = PrivateKey::parse_pem(&pem).unwrap();
            assert_eq!(key.public_key(), &public(kind), "{kind:?}");
            let signature = key.sign(b"message").unwrap();
            assert_eq!(key.public_key().verify(b"message", &signature), Ok(()));
            let again = PrivateKey::parse_pkcs8(key.to_pkcs8()).unwrap();
            assert_eq!(again.public_key(), key.public_key());
        }
    }
    let key = PrivateKey::parse_pem(&pair(Kind::Ed25519).private_pem()).unwrap();
    let prehashed = key.with_ed25519_form(Ed25519Form::Prehashed);
    let signature = prehashed.sign(b"message").unwrap();
    assert_ne!(signature, pair(Kind::Ed25519).sign(b"message").unwrap());
    assert_eq!(prehashed.public_key().verify(b"message", &signature), Ok(()));
}

#[test]
fn a_private_key_that_contradicts_itself_is_refused() {
    let pem = pair(Kind::EcdsaP256).private_pem();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = crate::encoding::decode_base64(&body).unwrap();
    *der.last_mut().unwrap() ^= 1;
    assert_eq!(PrivateKey::parse_pkcs8(&der).unwrap_err(), KeyError::Weak);
}

#[test]
fn keys_are_made_from_the_randomness_that_is_handed_in() {
    let one = PrivateKey::generate(&mut Counter(0)).unwrap();
    let same = PrivateKey::generate(&mut Counter(0)).unwrap();
    let other = PrivateKey::generate(&mut Counter(1)).unwrap();
    assert_eq!(one.public_key(), same.public_key());
    assert_ne!(one.public_key(), other.public_key());
    assert_eq!(one.to_pkcs8().len(), 138);
    assert_eq!(one.public_key().algorithm(), Ok(Algorithm::EcdsaP256));
    assert_eq!(PrivateKey::generate(&mut Broken).unwrap_err(), EntropyError);
    let ed25519 = PrivateKey::generate_ed25519(&mut Counter(0)).unwrap();
    assert_eq!(ed25519.public_key().algorithm(), Ok(Algorithm::Ed25519));
}

#[test]
fn a_private_key_is_not_shown() {
    let key = PrivateKey::generate(&mut Counter(0)).unwrap();
    assert_eq!(
        format!("{key:?}"),
        format!("PrivateKey {{ public: PublicKey({}), .. }}", key.public_key().id())
    );
}

#[test]
fn an_encrypted_key_opens_with_its_password_and_no_other() {
    let key = PrivateKey::generate(&mut Counter(0)).unwrap();
    for password in [&b""[..], b"hunter2"] {
        let text = encrypt_private_key(&key, password, &mut Counter(9)).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        let opened = decrypt_private_key(&text, password).unwrap();
        assert_eq!(opened.public_key(), key.public_key());
        assert_eq!(opened.to_pkcs8(), key.to_pkcs8());
        assert_eq!(
            decrypt_private_key(&text, b"wrong").unwrap_err(),
            EncryptedKeyError::Decryption
        );
        let older = text.replace("SIGSTORE", "COSIGN");
        assert!(decrypt_private_key(&older, password).is_ok());
    }
    assert!(matches!(
        encrypt_private_key(&key, b"", &mut Broken),
        Err(EncryptedKeyError::Entropy(EntropyError))
    ));
}

#[test]
fn an_unencrypted_key_needs_no_password() {
    let pem = pair(Kind::EcdsaP256).private_pem();
    assert_eq!(decrypt_private_key(&pem, b"any").unwrap().public_key(), &public(Kind::EcdsaP256));
}

/// Rewrites the JSON inside a key file.
fn rewritten(edit: impl FnOnce(&mut serde_json::Value)) -> String {
    // Deriving the key takes most of the time.
    static MADE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let text = MADE.get_or_init(|| {
        let key = PrivateKey::generate(&mut Counter(0)).unwrap();
        encrypt_private_key(&key, b"", &mut Counter(9)).unwrap()
    });
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let json = crate::encoding::decode_base64(&body).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    edit(&mut json);
    let json = crate::encoding::encode_base64(json.to_string().as_bytes());
    format!(
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n{json}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
    )
}

#[test]
fn only_the_three_sets_of_cost_parameters_are_read() {
    for (n, r, p, read) in [
        (32_768, 8, 1, true),
        (65_536, 8, 1, true),
        (131_072, 8, 1, true),
        (16_384, 8, 1, false),
        (262_144, 8, 1, false),
        (1_u64 << 40, 8, 1, false),
        (65_536, 16, 1, false),
        (65_536, 8, 2, false),
        (0, 0, 0, false),
    ] {
        let text = rewritten(|json| {
            json["kdf"]["params"] = serde_json::json!({ "N": n, "r": r, "p": p });
        });
        let error = decrypt_private_key(&text, b"").err();
        let expected = match (read, n) {
            (true, 65_536) => None,
            // Derived, and then it is another key.
            (true, _) => Some(EncryptedKeyError::Decryption),
            (false, _) => Some(EncryptedKeyError::Cost { n, r, p }),
        };
        assert_eq!(error, expected, "{n} {r} {p}");
    }
}

#[test]
fn a_corrupt_key_file_is_refused_with_the_reason() {
    let refuse = |edit: &dyn Fn(&mut serde_json::Value)| {
        decrypt_private_key(&rewritten(edit), b"").unwrap_err()
    };
    let unsupported = |what, name: &str| EncryptedKeyError::Unsupported { what, name: name.into() };
    assert_eq!(refuse(&|j| j["kdf"]["name"] = "argon2".into()), unsupported("kdf", "argon2"));
    assert_eq!(refuse(&|j| j["cipher"]["name"] = "aes".into()), unsupported("cipher", "aes"));
    for edit in [
        &|j: &mut serde_json::Value| j["kdf"]["salt"] = "AAAA".into(),
        &|j: &mut serde_json::Value| j["cipher"]["nonce"] = "AAAA".into(),
        &|j: &mut serde_json::Value| j["ciphertext"] = "%".into(),
        &|j: &mut serde_json::Value| j["kdf"] = serde_json::Value::Null,
    ] as [&dyn Fn(&mut serde_json::Value); 4]
    {
        assert_eq!(refuse(edit), EncryptedKeyError::Malformed);
    }
    let cut = |j: &mut serde_json::Value| {
        let mut text = j["ciphertext"].as_str().unwrap().to_owned();
        text.truncate(text.len() - 8);
        j["ciphertext"] = text.into();
    };
    assert_eq!(refuse(&cut), EncryptedKeyError::Decryption);
    assert_eq!(refuse(&|j| j["ciphertext"] = "AAAA".into()), EncryptedKeyError::Decryption);
    assert!(matches!(decrypt_private_key("", b""), Err(EncryptedKeyError::Key(KeyError::NoPem))));
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}", label in "[A-Z ]{0,12}", bytes: Vec<u8>) {
        let _ = PublicKey::parse_pem_all(&text);
        let body = crate::encoding::encode_base64(&bytes);
        let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let _ = PublicKey::parse_pem_all(&pem);
        let _ = PrivateKey::parse_pem(&pem);
        let _ = PrivateKey::parse_pkcs8(&bytes);
        let _ = Certificate::parse_der(&bytes);
    }

    #[test]
    fn no_mutation_of_a_key_panics(at in 0_usize..400, to: u8) {
        for kind in KINDS {
            let mut der = pair(kind).spki_der().to_vec();
            let at = at % der.len();
            der[at] = to;
            let _ = PublicKey::parse_der(&der);
        }
        let pem = pair(Kind::EcdsaP256).certificate_pem("x").unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let mut der = crate::encoding::decode_base64(&body).unwrap();
        let at = at % der.len();
        der[at] = to;
        let _ = Certificate::parse_der(&der);
    }
}
