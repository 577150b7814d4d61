//! Keys in PEM: a public key survives its own text, and a private key makes signatures that its public half verifies.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_sigstore::keys::{PrivateKey, PublicKey, Signer};

fuzz_target!(|text: &str| {
    for key in PublicKey::parse_pem_all(text).into_iter().flatten() {
        assert_eq!(PublicKey::parse_pem(&key.to_pem()).as_ref(), Ok(&key));
        assert_eq!(PublicKey::parse_der(key.as_der()).as_ref(), Ok(&key));
        assert!(key.algorithm().is_ok());
        assert!(key.verify(b"message", text.as_bytes()).is_err());
    }
    let Ok(key) = PrivateKey::parse_pem(text) else { return };
    let again = PrivateKey::parse_pkcs8(key.to_pkcs8()).expect("our own bytes");
    assert_eq!(again.public_key(), key.public_key());
    let public = PublicKey::parse_der(key.public_key().as_der()).expect("our own bytes");
    let signature = key.sign(b"message").expect("a key that was read can sign");
    assert!(public.could_have_made(&signature));
    assert!(public.verify(b"message", &signature).is_ok());
    assert!(public.verify(b"another", &signature).is_err());
});
