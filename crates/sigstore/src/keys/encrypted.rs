//! cosign's encrypted private key: scrypt and NaCl's secretbox around PKCS#8, in JSON, in PEM.
//!
//! COMPAT: cosign 3.1.1: `cosign.key`; its cost parameters are three sets and nothing else, so that
//! a key file cannot ask for all the memory. test: only_the_three_sets_of_cost_parameters_are_read
use super::{Entropy, EntropyError, KeyError, MAX_KEY_FILE, PrivateKey, pem};
use crate::encoding::{decode_base64, encode_base64};
use poly1305::{Poly1305, universal_hash::KeyInit as _};
use salsa20::{
    XSalsa20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Labels that are read; the first is written.
const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
const TAG: usize = 16;

/// Why a key file gives no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptedKeyError {
    /// Not PEM, or what was inside is no key.
    #[error("reading key")]
    Key(#[from] KeyError),
    /// The JSON inside cannot be read.
    #[error("malformed encrypted key file")]
    Malformed,
    /// A derivation or a cipher that cosign does not write.
    #[error("unsupported {what} {name:?} in key file")]
    Unsupported {
        /// `kdf` or `cipher`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Cost parameters outside the three sets.
    #[error("unsupported scrypt parameters N={n}, r={r}, p={p}")]
    Cost {
        /// Memory and time.
        n: u64,
        /// Block size.
        r: u64,
        /// Parallelism.
        p: u64,
    },
    /// The password is wrong, or the file was changed: the two cannot be told apart.
    #[error("decrypt: encrypted: decryption failed")]
    Decryption,
    /// No randomness for salt and nonce.
    #[error("encrypting key")]
    Entropy(#[from] EntropyError),
}

#[derive(Serialize, Deserialize)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Reads a private key: cosign's encrypted file, or an unencrypted PEM where `password` is unused.
pub fn decrypt_private_key(text: &str, password: &[u8]) -> Result<PrivateKey, EncryptedKeyError> {
    if text.len() > MAX_KEY_FILE {
        return Err(KeyError::TooLarge.into());
    }
    let blocks = pem::parse(text)?;
    let [block] = blocks.as_slice() else {
        return Ok(PrivateKey::parse_pem(text)?);
    };
    if !LABELS.contains(&block.label.as_str()) {
        return Ok(PrivateKey::parse_pem(text)?);
    }
    let file: File =
        crate::encoding::parse_object(&block.contents).ok_or(EncryptedKeyError::Malformed)?;
    let unsupported = |what, name: &str| EncryptedKeyError::Unsupported {
        what,
        name: crate::encoding::printable(name).to_string(),
    };
    if file.kdf.name != "scrypt" {
        return Err(unsupported("kdf", &file.kdf.name));
    }
    if file.cipher.name != "nacl/secretbox" {
        return Err(unsupported("cipher", &file.cipher.name));
    }
    let Params { n, r, p } = file.kdf.params;
    let log_n = match (n, r, p) {
        (32_768, 8, 1) => 15,
        (65_536, 8, 1) => 16,
        (131_072, 8, 1) => 17,
        _ => return Err(EncryptedKeyError::Cost { n, r, p }),
    };
    let salt = decode_base64(&file.kdf.salt)
        .filter(|salt| salt.len() == 32)
        .ok_or(EncryptedKeyError::Malformed)?;
    let nonce = decode_base64(&file.cipher.nonce)
        .and_then(|nonce| <[u8; 24]>::try_from(nonce).ok())
        .ok_or(EncryptedKeyError::Malformed)?;
    let ciphertext = decode_base64(&file.ciphertext).ok_or(EncryptedKeyError::Malformed)?;
    let key = derive(password, &salt, log_n)?;
    let plain = open(&key, &nonce, &ciphertext).ok_or(EncryptedKeyError::Decryption)?;
    Ok(PrivateKey::parse_pkcs8(&plain)?)
}

/// Writes a private key as cosign 3 does: N=65536, r=8, p=1, fresh salt and nonce.
pub fn encrypt_private_key(
    key: &PrivateKey,
    password: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<String, EncryptedKeyError> {
    let (mut salt, mut nonce) = ([0; 32], [0; 24]);
    entropy.fill(&mut salt)?;
    entropy.fill(&mut nonce)?;
    let derived = derive(password, &salt, 16)?;
    let ciphertext = seal(&derived, &nonce, key.to_pkcs8());
    let file = File {
        kdf: Kdf {
            name: "scrypt".into(),
            params: Params { n: 65_536, r: 8, p: 1 },
            salt: encode_base64(&salt),
        },
        cipher: Cipher { name: "nacl/secretbox".into(), nonce: encode_base64(&nonce) },
        ciphertext: encode_base64(&ciphertext),
    };
    let json = serde_json::to_vec(&file).map_err(|_| EncryptedKeyError::Malformed)?;
    Ok(std::mem::take(&mut *pem::write(LABELS[0], &json)))
}

fn derive(
    password: &[u8],
    salt: &[u8],
    log_n: u8,
) -> Result<Zeroizing<[u8; 32]>, EncryptedKeyError> {
    let params = scrypt::Params::new(log_n, 8, 1).map_err(|_| EncryptedKeyError::Malformed)?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &params, &mut *key).map_err(|_| EncryptedKeyError::Malformed)?;
    Ok(key)
}

/// XSalsa20-Poly1305 in NaCl's order: the tag first.
///
/// SPEC: NaCl, "Cryptography in NaCl" section 9 (crypto_secretbox): the first 32 bytes of the stream
/// are the one-time key of the tag over the ciphertext.
fn seal(key: &[u8; 32], nonce: &[u8; 24], plain: &[u8]) -> Vec<u8> {
    let mut stream = XSalsa20::new(key.into(), nonce.into());
    let mut tag_key = Zeroizing::new([0; 32]);
    stream.apply_keystream(&mut *tag_key);
    let mut sealed = plain.to_vec();
    stream.apply_keystream(&mut sealed);
    let tag = Poly1305::new((&*tag_key).into()).compute_unpadded(&sealed);
    [tag.as_slice(), &sealed].concat()
}

fn open(key: &[u8; 32], nonce: &[u8; 24], boxed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, sealed) = boxed.split_at_checked(TAG)?;
    let mut stream = XSalsa20::new(key.into(), nonce.into());
    let mut tag_key = Zeroizing::new([0; 32]);
    stream.apply_keystream(&mut *tag_key);
    let expected = Poly1305::new((&*tag_key).into()).compute_unpadded(sealed);
    // In constant time: the tag is a secret of the password.
    aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_slice(), tag).ok()?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    stream.apply_keystream(&mut plain);
    Some(plain)
}
