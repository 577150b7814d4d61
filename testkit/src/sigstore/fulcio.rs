//! A certificate authority that issues as Fulcio does, with the certificate log that it tells first.

// SPEC: Fulcio "OID information" and "certificate specification"; RFC 6962 section 3 for the log.

use serde_json::Value;

use super::{
    clock::Clock,
    knobs::{Knobs, Purpose, Sct},
    merkle::sha256,
    x509::{self, Certificate},
};
use crate::{
    der,
    keys::{Algorithm, KeyError, KeyPair},
};

/// Fulcio's branch of object identifiers.
const FULCIO: &[u32] = &[1, 3, 6, 1, 4, 1, 57264, 1];
/// The list of signed certificate timestamps.
const SCT_LIST: &[u32] = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

/// The subject alternative name of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Name {
    /// An email address.
    Email(String),
    /// A URI, as workloads have.
    Uri(String),
    /// Any other name, as Fulcio writes user names (`otherName` with 1.3.6.1.4.1.57264.1.7).
    Other(String),
}

/// Who signs: what Fulcio takes from an OIDC token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject alternative name.
    pub name: Name,
    /// The issuer of the token.
    pub issuer: String,
    /// Further values by the last arc of their object identifier (2 to 6 and 9 to 22), as in 1.3.6.1.4.1.57264.1.N.
    pub extensions: Vec<(u32, String)>,
}

impl Identity {
    /// A person with an email address.
    pub fn email(address: &str, issuer: &str) -> Self {
        let name = Name::Email(address.to_owned());
        Self { name, issuer: issuer.to_owned(), extensions: Vec::new() }
    }

    /// A workload with a URI.
    pub fn uri(uri: &str, issuer: &str) -> Self {
        let name = Name::Uri(uri.to_owned());
        Self { name, issuer: issuer.to_owned(), extensions: Vec::new() }
    }

    /// A workflow of GitHub Actions with everything that Fulcio writes about it.
    pub fn github(repository: &str, workflow: &str, reference: &str, trigger: &str) -> Self {
        let claims = super::oidc::github_claims(repository, workflow, reference, trigger);
        Self::of_claims("https://token.actions.githubusercontent.com", &claims)
    }

    /// The identity that the claims of a token come to.
    pub fn of_claims(issuer: &str, claims: &Value) -> Self {
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        let subject = claim("sub").unwrap_or_default();
        let name = if let Some(email) = claim("email") {
            Name::Email(email.to_owned())
        } else if let Some(workflow) = claim("job_workflow_ref") {
            Name::Uri(format!("https://github.com/{workflow}"))
        } else if subject.contains("://") {
            Name::Uri(subject.to_owned())
        } else {
            Name::Other(subject.to_owned())
        };
        let mut extensions = Vec::new();
        let mut put = |arc: u32, value: Option<String>| {
            extensions.extend(value.map(|value| (arc, value)));
        };
        let own = |name: &str| claim(name).map(str::to_owned);
        let hub = |name: &str| claim(name).map(|value| format!("https://github.com/{value}"));
        put(2, own("event_name"));
        put(3, own("sha"));
        put(4, own("workflow"));
        put(5, own("repository"));
        put(6, own("ref"));
        put(9, hub("job_workflow_ref"));
        put(10, own("job_workflow_sha"));
        put(11, own("runner_environment"));
        put(12, hub("repository"));
        put(13, own("sha"));
        put(14, own("ref"));
        put(15, own("repository_id"));
        put(16, hub("repository_owner"));
        put(17, own("repository_owner_id"));
        put(18, hub("workflow_ref"));
        put(19, own("workflow_sha"));
        put(20, own("event_name"));
        let run = claim("repository").zip(claim("run_id")).map(|(repository, run)| {
            let attempt = claim("run_attempt").unwrap_or("1");
            format!("https://github.com/{repository}/actions/runs/{run}/attempts/{attempt}")
        });
        put(21, run);
        put(22, own("repository_visibility"));
        Self { name, issuer: issuer.to_owned(), extensions }
    }
}

/// How the authority is made. Times are seconds since 1970.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// When root and intermediate begin.
    pub not_before: i64,
    /// When the root ends.
    pub root_not_after: i64,
    /// When the intermediate ends; put it before a signature's time for an expired intermediate.
    pub intermediate_not_after: i64,
}

/// Root, intermediate, certificate log.
#[derive(Debug)]
pub(crate) struct Fulcio {
    pub(crate) root: Vec<u8>,
    pub(crate) intermediate: Vec<u8>,
    key: KeyPair,
    stranger: KeyPair,
    /// The certificate log's key.
    pub(crate) log: KeyPair,
}

impl Fulcio {
    pub(crate) fn new(authorities: &Authorities, algorithm: Algorithm) -> Result<Self, KeyError> {
        let (root_key, key) = (KeyPair::generate(algorithm)?, KeyPair::generate(algorithm)?);
        let (root_name, name) = (
            x509::name("testkit.invalid", "testkit fulcio root"),
            x509::name("testkit.invalid", "testkit fulcio intermediate"),
        );
        let root = Certificate {
            serial: vec![1],
            issuer: root_name.clone(),
            subject: root_name.clone(),
            not_before: authorities.not_before,
            not_after: authorities.root_not_after,
            spki: root_key.spki_der().to_vec(),
            extensions: vec![
                x509::key_usage(true),
                x509::authority(None),
                x509::subject_key(root_key.spki_der()),
            ],
        };
        let intermediate = Certificate {
            serial: vec![2],
            issuer: root_name,
            subject: name,
            not_before: authorities.not_before,
            not_after: authorities.intermediate_not_after,
            spki: key.spki_der().to_vec(),
            extensions: vec![
                x509::key_usage(true),
                x509::extended_key_usage(x509::CODE_SIGNING, false),
                x509::authority(Some(0)),
                x509::subject_key(key.spki_der()),
                x509::authority_key(root_key.spki_der()),
            ],
        };
        Ok(Self {
            root: root.sign(&root_key)?,
            intermediate: intermediate.sign(&root_key)?,
            key,
            stranger: KeyPair::generate(algorithm)?,
            log: KeyPair::generate(Algorithm::EcdsaP256)?,
        })
    }

    /// A leaf certificate over a public key, with its SCTs inside.
    pub(crate) fn issue(
        &self,
        spki: &[u8],
        identity: &Identity,
        clock: &Clock,
        knobs: &Knobs,
        serial: u64,
    ) -> Result<Vec<u8>, KeyError> {
        let now = clock.now();
        let mut leaf = Certificate {
            serial: serial.to_be_bytes().to_vec(),
            issuer: x509::name("testkit.invalid", "testkit fulcio intermediate"),
            subject: x509::name("", ""),
            not_before: now,
            not_after: now.saturating_add(knobs.leaf_seconds.unwrap_or(600)),
            spki: if knobs.other_leaf_key { self.stranger.spki_der() } else { spki }.to_vec(),
            extensions: vec![x509::key_usage(false)],
        };
        match knobs.purpose {
            Purpose::Right => {
                leaf.extensions.push(x509::extended_key_usage(x509::CODE_SIGNING, false));
            }
            Purpose::Server => {
                leaf.extensions.push(x509::extended_key_usage(x509::SERVER_AUTH, false));
            }
            Purpose::Unsaid => {}
        }
        leaf.extensions.push(x509::subject_key(&leaf.spki));
        leaf.extensions.push(x509::authority_key(self.key.spki_der()));
        if !knobs.no_name {
            leaf.extensions.push(names(&identity.name, knobs.second_name.as_deref()));
        }
        leaf.extensions.extend(statements(identity, knobs));
        if knobs.unknown_critical {
            leaf.extensions.push(x509::extension(&[1, 3, 6, 1, 4, 1, 57264, 99], true, &[5, 0]));
        }
        let key = if knobs.other_issuer_key { &self.stranger } else { &self.key };
        if let Some(list) = self.timestamps(&leaf, key, now, knobs)? {
            leaf.extensions.push(x509::extension(SCT_LIST, false, &der::octets(&list)));
        }
        leaf.sign(key)
    }

    /// The TLS list of SCTs over the certificate as it is so far.
    fn timestamps(
        &self,
        leaf: &Certificate,
        key: &KeyPair,
        now: i64,
        knobs: &Knobs,
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let mut body = leaf.to_be_signed(key);
        if knobs.sct == Sct::OfAnotherCertificate {
            let other = Certificate { serial: vec![0x7f], ..leaf.clone() };
            body = other.to_be_signed(key);
        }
        let own = sha256(&[self.log.spki_der()]);
        let strange = sha256(&[self.stranger.spki_der()]);
        let issuer = sha256(&[self.key.spki_der()]);
        let make = |log: &KeyPair, id: &[u8; 32], extensions: &[u8], damaged: bool| {
            timestamp(log, id, &issuer, &body, now, extensions, damaged)
        };
        let good = || make(&self.log, &own, &[], false);
        let unknown = || make(&self.stranger, &strange, &[], false);
        let list = match knobs.sct {
            Sct::Missing => return Ok(None),
            Sct::Good | Sct::OfAnotherCertificate => vec![good()?],
            Sct::WrongLogId => vec![make(&self.log, &strange, &[], false)?],
            Sct::UnknownLog => vec![unknown()?],
            Sct::BadSignature => vec![make(&self.log, &own, &[], true)?],
            Sct::Twice => vec![good()?, good()?],
            Sct::UnknownThenGood => vec![unknown()?, good()?],
            Sct::WithExtensions => vec![make(&self.log, &own, &[0, 0, 5, 0, 0, 0, 0, 7], false)?],
        };
        let all: Vec<u8> = list.iter().flat_map(|one| prefixed(one)).collect();
        Ok(Some(prefixed(&all)))
    }
}

/// Bytes behind their length in two bytes.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), bytes].concat()
}

/// One signed certificate timestamp over a precertificate.
// SPEC: RFC 6962 section 3.2.
fn timestamp(
    log: &KeyPair,
    id: &[u8; 32],
    issuer: &[u8; 32],
    body: &[u8],
    now: i64,
    extensions: &[u8],
    damaged: bool,
) -> Result<Vec<u8>, KeyError> {
    let milliseconds = now.saturating_mul(1000).to_be_bytes();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let extensions = prefixed(extensions);
    let signed = [
        [0_u8, 0].as_slice(), // version 1, certificate timestamp
        &milliseconds,
        &[0, 1], // precertificate
        issuer,
        length.get(1..).unwrap_or_default(),
        body,
        &extensions,
    ]
    .concat();
    let mut signature = log.sign(&signed)?;
    if damaged && let Some(last) = signature.last_mut() {
        *last ^= 1;
    }
    // SHA-256 with ECDSA, or with RSA.
    let rsa =
        matches!(log.algorithm(), Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096);
    let algorithm: [u8; 2] = if rsa { [4, 1] } else { [4, 3] };
    Ok([[0_u8].as_slice(), id, &milliseconds, &extensions, &algorithm, &prefixed(&signature)]
        .concat())
}

/// The subject alternative names.
fn names(first: &Name, second: Option<&str>) -> Vec<u8> {
    let first = match first {
        Name::Email(address) => der::element(0x81, address.as_bytes()),
        Name::Uri(uri) => der::element(0x86, uri.as_bytes()),
        Name::Other(text) => {
            let arcs = [FULCIO, &[7]].concat();
            let value = der::context(0, &der::utf8(text));
            der::context(0, &[der::oid(&arcs), value].concat())
        }
    };
    let second = second.map(|email| der::element(0x81, email.as_bytes())).unwrap_or_default();
    x509::extension(&[2, 5, 29, 17], true, &der::sequence(&[&first, &second]))
}

/// Fulcio's own extensions: 1 to 6 hold bare text, 8 and above a UTF-8 string.
fn statements(identity: &Identity, knobs: &Knobs) -> Vec<Vec<u8>> {
    let put = |arc: u32, value: &[u8]| x509::extension(&[FULCIO, &[arc]].concat(), false, value);
    let mut all = Vec::new();
    if !knobs.no_old_issuer {
        all.push(put(1, identity.issuer.as_bytes()));
    }
    let older = identity.extensions.iter().filter(|(arc, _)| *arc < 8);
    all.extend(older.map(|(arc, value)| put(*arc, value.as_bytes())));
    if !knobs.no_new_issuer {
        all.push(put(8, &der::utf8(&identity.issuer)));
    }
    let newer = identity.extensions.iter().filter(|(arc, _)| *arc >= 8);
    all.extend(newer.map(|(arc, value)| put(*arc, &der::utf8(value))));
    all
}
