//! Encrypted key files: whatever the JSON inside says, no price is paid but the three that cosign asks for, and a wrong
//! file gives no key. The input is that JSON.
#![no_main]
use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use sigward_document::{Value, parse_json};
use sigward_sigstore::keys::{EncryptedKeyError, decrypt_private_key};

/// The costs that are paid: each would take half a second here.
const PAID: [&str; 3] = ["32768", "65536", "131072"];

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > 4096 {
        return;
    }
    let parameter = |name: &str| -> Option<Value> {
        parse_json(bytes).ok()?.get("kdf")?.get("params")?.get(name).cloned()
    };
    let is = |name: &str, texts: &[&str]| {
        parameter(name).is_some_and(|value| texts.contains(&value.to_json().as_str()))
    };
    if is("N", &PAID) && is("r", &["8"]) && is("p", &["1"]) {
        return;
    }
    for label in ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"] {
        let text =
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes));
        let error = decrypt_private_key(&text, b"password").expect_err("no key without its price");
        assert_ne!(error, EncryptedKeyError::Decryption, "a price was paid");
        assert!(error.to_string().len() < 512, "a foreign text without end");
    }
});
