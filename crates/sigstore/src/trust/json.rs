//! `trusted_root.json`, in protobuf's JSON mapping.
use super::{
    CertificateAuthority, MAX_AUTHORITIES, MEDIA_TYPE, TransparencyLog, TrustError, TrustParts,
    Validity,
};
use crate::{
    encoding::{EnumValue, decode_base64_protobuf, encode_base64, printable, sha256},
    keys::{Certificate, KeyError, MAX_CHAIN, PublicKey},
    time::{parse_rfc3339, to_rfc3339},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "media_type")]
    media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tlogs: Option<Vec<WireLog>>,
    #[serde(default, alias = "certificate_authorities", skip_serializing_if = "Option::is_none")]
    certificate_authorities: Option<Vec<WireAuthority>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ctlogs: Option<Vec<WireLog>>,
    #[serde(default, alias = "timestamp_authorities", skip_serializing_if = "Option::is_none")]
    timestamp_authorities: Option<Vec<WireAuthority>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLog {
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "base_url")]
    base_url: String,
    #[serde(default, alias = "hash_algorithm", skip_serializing_if = "Option::is_none")]
    hash_algorithm: Option<EnumValue>,
    #[serde(default, alias = "public_key")]
    public_key: Option<WireKey>,
    #[serde(default, alias = "log_id", skip_serializing_if = "Option::is_none")]
    log_id: Option<WireLogId>,
    #[serde(default, alias = "checkpoint_key_id", skip_serializing_if = "Option::is_none")]
    checkpoint_key_id: Option<WireLogId>,
    #[serde(
        default,
        deserialize_with = "crate::encoding::or_default",
        skip_serializing_if = "String::is_empty"
    )]
    operator: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "raw_bytes")]
    raw_bytes: String,
    #[serde(default, alias = "key_details")]
    key_details: Option<EnumValue>,
    #[serde(default, alias = "valid_for", skip_serializing_if = "Option::is_none")]
    valid_for: Option<WirePeriod>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLogId {
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "key_id")]
    key_id: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WirePeriod {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthority {
    #[serde(default)]
    subject: Option<WireSubject>,
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    uri: String,
    #[serde(default, alias = "cert_chain")]
    cert_chain: Option<WireChain>,
    #[serde(default, alias = "valid_for", skip_serializing_if = "Option::is_none")]
    valid_for: Option<WirePeriod>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSubject {
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    organization: String,
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "common_name")]
    common_name: String,
}

#[derive(Serialize, Deserialize)]
struct WireChain {
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    certificates: Vec<WireCertificate>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCertificate {
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "raw_bytes")]
    raw_bytes: String,
}

/// What became of one element.
enum Element<T> {
    Read(T),
    Unsupported(String),
}

fn wrong(field: &str, problem: impl Into<String>) -> TrustError {
    TrustError::Element { field: field.to_owned(), problem: problem.into() }
}

/// Reads the file; gives its parts and the names of those that are left out.
pub(super) fn read(bytes: &[u8]) -> Result<(TrustParts, Vec<String>), TrustError> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(TrustError::Malformed("not a JSON object".to_owned()));
    }
    let wire: Wire = serde_json::from_slice(bytes)
        .map_err(|error| TrustError::Malformed(printable(&error.to_string()).to_string()))?;
    if !matches!(
        wire.media_type.as_str(),
        MEDIA_TYPE
            | "application/vnd.dev.sigstore.trustedroot+json;version=0.2"
            | "application/vnd.dev.sigstore.trustedroot.v0.1+json"
            | "application/vnd.dev.sigstore.trustedroot.v0.2+json"
    ) {
        return Err(TrustError::MediaType(printable(&wire.media_type).to_string()));
    }
    let mut out = Vec::new();
    let parts = TrustParts {
        certificate_authorities: each(
            "certificateAuthorities",
            wire.certificate_authorities,
            &mut out,
            authority,
        )?,
        timestamp_authorities: each(
            "timestampAuthorities",
            wire.timestamp_authorities,
            &mut out,
            authority,
        )?,
        tlogs: each("tlogs", wire.tlogs, &mut out, log)?,
        ctlogs: each("ctlogs", wire.ctlogs, &mut out, log)?,
    };
    Ok((parts, out))
}

fn each<W, T>(
    name: &str,
    list: Option<Vec<W>>,
    unsupported: &mut Vec<String>,
    read: fn(&str, W) -> Result<Element<T>, TrustError>,
) -> Result<Vec<T>, TrustError> {
    let list = list.unwrap_or_default();
    if list.len() > MAX_AUTHORITIES {
        return Err(TrustError::TooLarge);
    }
    let mut all = Vec::with_capacity(list.len());
    for (i, wire) in list.into_iter().enumerate() {
        match read(&format!("{name}[{i}]"), wire)? {
            Element::Read(element) => all.push(element),
            Element::Unsupported(why) => unsupported.push(why),
        }
    }
    Ok(all)
}

/// A period; a fraction of a second at the start is not yet in it.
pub(super) fn period(field: &str, wire: Option<WirePeriod>) -> Result<Validity, TrustError> {
    let Some(wire) = wire else { return Ok(Validity::default()) };
    let read = |name: &str, text: Option<String>| {
        text.map(|text| {
            let bad = || wrong(&format!("{field}.{name}"), "is no RFC 3339 time");
            parse_rfc3339(&text).ok_or_else(bad)
        })
        .transpose()
    };
    let start = read("start", wire.start)?.map(|(at, cut)| {
        let mut at = at;
        at.0 = at.0.saturating_add(i64::from(cut));
        at
    });
    let end = read("end", wire.end)?.map(|(at, _)| at);
    Ok(Validity { start, end })
}

/// The wire form of a period; `None` when it is all of time.
pub(super) fn write_period(valid_for: Validity) -> Option<WirePeriod> {
    if valid_for == Validity::default() {
        return None;
    }
    Some(WirePeriod { start: valid_for.start.map(to_rfc3339), end: valid_for.end.map(to_rfc3339) })
}

fn base64(field: &str, text: &str) -> Result<Vec<u8>, TrustError> {
    decode_base64_protobuf(text)
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| wrong(field, "is empty or no base64"))
}

fn is_unsupported(error: &KeyError) -> bool {
    matches!(error, KeyError::Algorithm { .. } | KeyError::RsaSize { .. })
}

fn authority(
    field: &str,
    wire: WireAuthority,
) -> Result<Element<CertificateAuthority>, TrustError> {
    let certificates = wire.cert_chain.map(|chain| chain.certificates).unwrap_or_default();
    if certificates.is_empty() || certificates.len() > MAX_CHAIN {
        let count = certificates.len();
        return Err(wrong(
            &format!("{field}.certChain"),
            format!("has {count} certificates, 1 to {MAX_CHAIN} are read"),
        ));
    }
    let mut chain = Vec::with_capacity(certificates.len());
    for (i, certificate) in certificates.into_iter().enumerate() {
        let field = format!("{field}.certChain.certificates[{i}].rawBytes");
        match Certificate::parse_der(&base64(&field, &certificate.raw_bytes)?) {
            Ok(certificate) => chain.push(certificate),
            Err(error) if is_unsupported(&error) => {
                return Ok(Element::Unsupported(format!("{field}: {error}")));
            }
            Err(error) => return Err(wrong(&field, error.to_string())),
        }
    }
    let subject = wire.subject.map(|s| (s.organization, s.common_name)).unwrap_or_default();
    let valid_for = period(&format!("{field}.validFor"), wire.valid_for)?;
    Ok(Element::Read(CertificateAuthority { subject, uri: wire.uri, chain, valid_for }))
}

fn log(field: &str, wire: WireLog) -> Result<Element<TransparencyLog>, TrustError> {
    let key_field = format!("{field}.publicKey");
    let Some(key) = wire.public_key else { return Err(wrong(&key_field, "is missing")) };
    let valid_for = period(&format!("{key_field}.validFor"), key.valid_for)?;
    if valid_for.start.is_none() {
        // COMPAT: cosign 3.1.1: a log without a start is an error.
        // test: a_log_without_a_start_is_refused
        return Err(wrong(&format!("{key_field}.validFor.start"), "is missing"));
    }
    let raw_field = format!("{key_field}.rawBytes");
    let raw = base64(&raw_field, &key.raw_bytes)?;
    let key_details = key.key_details.map(EnumValue::into_name).unwrap_or_default();
    let read = if key_details.starts_with("PKCS1_RSA") {
        PublicKey::parse_pkcs1(&raw)
    } else {
        PublicKey::parse_der(&raw)
    };
    let key = match read {
        Ok(key) => key,
        Err(error) if is_unsupported(&error) => {
            return Ok(Element::Unsupported(format!("{raw_field}: {error}")));
        }
        Err(error) => return Err(wrong(&raw_field, error.to_string())),
    };
    let id = |name: &str, wire: Option<WireLogId>| {
        wire.map(|id| base64(&format!("{field}.{name}.keyId"), &id.key_id)).transpose()
    };
    // SPEC: sigstore_trustroot.proto: the identity of a log is over the key as it is written there.
    let log_id = id("logId", wire.log_id)?.unwrap_or_else(|| sha256(&raw).to_vec());
    Ok(Element::Read(TransparencyLog {
        base_url: wire.base_url,
        key,
        key_details,
        log_id,
        checkpoint_key_id: id("checkpointKeyId", wire.checkpoint_key_id)?,
        valid_for,
        operator: wire.operator,
    }))
}

/// Writes the file.
pub(super) fn write(parts: &TrustParts) -> String {
    let wire = Wire {
        media_type: MEDIA_TYPE.to_owned(),
        tlogs: list(&parts.tlogs, write_log),
        certificate_authorities: list(&parts.certificate_authorities, write_authority),
        ctlogs: list(&parts.ctlogs, write_log),
        timestamp_authorities: list(&parts.timestamp_authorities, write_authority),
    };
    // Strings and lists only: writing them cannot fail.
    serde_json::to_string(&wire).unwrap_or_default()
}

/// The elements; nothing when there are none.
pub(super) fn list<T, W>(elements: &[T], write: impl FnMut(&T) -> W) -> Option<Vec<W>> {
    (!elements.is_empty()).then(|| elements.iter().map(write).collect())
}

fn write_log(log: &TransparencyLog) -> WireLog {
    let id = |bytes: &[u8]| WireLogId { key_id: encode_base64(bytes) };
    let raw = if log.key_details.starts_with("PKCS1_RSA") {
        log.key.key_bytes().unwrap_or_default()
    } else {
        log.key.as_der()
    };
    WireLog {
        base_url: log.base_url.clone(),
        hash_algorithm: Some(EnumValue::Name("SHA2_256".to_owned())),
        public_key: Some(WireKey {
            raw_bytes: encode_base64(raw),
            key_details: Some(EnumValue::Name(log.key_details.clone())),
            valid_for: write_period(log.valid_for),
        }),
        log_id: Some(id(&log.log_id)),
        checkpoint_key_id: log.checkpoint_key_id.as_deref().map(id),
        operator: log.operator.clone(),
    }
}

fn write_authority(authority: &CertificateAuthority) -> WireAuthority {
    let (organization, common_name) = authority.subject.clone();
    let certificates = authority
        .chain
        .iter()
        .map(|certificate| WireCertificate { raw_bytes: encode_base64(certificate.as_der()) })
        .collect();
    WireAuthority {
        subject: Some(WireSubject { organization, common_name }),
        uri: authority.uri.clone(),
        cert_chain: Some(WireChain { certificates }),
        valid_for: write_period(authority.valid_for),
    }
}
