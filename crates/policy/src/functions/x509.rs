//! `x509_decode`: a certificate or a certificate request as an object.
//!
//! The object is what Go's `encoding/json` makes of `x509.Certificate` and `x509.CertificateRequest`, with the public
//! key as its two numbers: names, nulls and enumerations are Go's.
mod extensions;

use super::der::{Malformed, Reader, decimal, tag};
use super::go_time::parse as parse_time;
use super::{Entry, ONE_STRING, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use extensions::{Extensions, extension_list};
use sigward_document::Value;
use sigward_jmespath::{Call, FunctionError};

pub(super) const FUNCTIONS: &[Entry] = &[("x509_decode", ONE_STRING, x509_decode)];

/// Characters of a PEM text.
const MAX_PEM: usize = 256 * 1024;
/// `rsaEncryption`.
const RSA: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];
/// Go's `x509.RSA`.
const RSA_NUMBER: i64 = 1;

/// `x509_decode(base64_decode(cert)).Subject.CommonName` → for example `"example.com"`. Of several blocks, the first.
///
/// COMPAT: kyverno 1.19: RSA keys only; test: other_keys_than_rsa_are_refused
fn x509_decode(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    if text.len() > MAX_PEM {
        return Err(FunctionError::prefixed(format!(
            "the PEM text is longer than {MAX_PEM} bytes"
        )));
    }
    call.steps(text.len())?;
    let (kind, der) =
        pem_block(text).ok_or_else(|| FunctionError::message("failed to decode PEM block"))?;
    let decoded = match kind {
        "CERTIFICATE" => {
            certificate(&der).map_err(|error| error.text("x509: malformed certificate"))?
        }
        "CERTIFICATE REQUEST" => {
            request(&der).map_err(|error| error.text("x509: malformed certificate request"))?
        }
        _ => {
            return Err(FunctionError::message(
                "PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST",
            ));
        }
    };
    call.weigh(&decoded)?;
    Ok(decoded)
}

/// Why there is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Malformed,
    NotRsa,
    TrailingData,
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Refused {
    fn text(self, malformed: &str) -> FunctionError {
        FunctionError::message(match self {
            Self::Malformed => malformed,
            Self::NotRsa => "certificate should use rsa algorithm",
            Self::TrailingData => "x509: trailing data",
        })
    }
}

/// The first block of a PEM text: its label and its bytes.
///
/// SPEC: RFC 7468; headers of RFC 1421 are skipped, as Go does.
fn pem_block(text: &str) -> Option<(&str, Vec<u8>)> {
    const BEGIN: &str = "-----BEGIN ";
    let mut rest = text;
    loop {
        let at = if rest.starts_with(BEGIN) { 0 } else { rest.find("\n-----BEGIN ")? + 1 };
        rest = rest.get(at + BEGIN.len()..)?;
        let Some((label, body)) = rest.split_once("-----") else { continue };
        if label.contains('\n') {
            continue;
        }
        let Some((body, _)) = body.split_once(&format!("\n-----END {label}-----")) else {
            continue;
        };
        // Headers end with an empty line.
        let body = match body.split_once("\n\n") {
            Some((headers, body)) if headers.contains(':') => body,
            _ => body,
        };
        let encoded: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if let Ok(der) = STANDARD.decode(encoded) {
            return Some((label, der));
        }
    }
}

fn bytes(bytes: &[u8]) -> Value {
    Value::from(STANDARD.encode(bytes))
}

fn numbers(oid: &[u64]) -> Value {
    oid.iter().map(|number| Value::from(*number)).collect()
}

/// A list as Go prints a slice that was only ever appended to: null when it is empty.
fn list(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::NULL } else { Value::list(items) }
}

/// A large number as JSON reads it: a float when it does not fit.
fn number(bytes: &[u8]) -> Value {
    let text = decimal(bytes);
    text.parse::<i64>()
        .map(Value::from)
        .or_else(|_| text.parse::<f64>().map(Value::from))
        .unwrap_or(Value::NULL)
}

/// SPEC: RFC 5280 4.1.
fn certificate(der: &[u8]) -> Result<Value, Refused> {
    let mut outer = Reader(der);
    let whole = outer.element(tag::SEQUENCE)?;
    if !outer.is_empty() {
        return Err(Refused::TrailingData);
    }
    let mut parts = Reader(whole.contents);
    let to_be_signed = parts.element(tag::SEQUENCE)?;
    let algorithm = parts.inside(tag::SEQUENCE)?;
    let signature = parts.whole_bits()?;

    let mut fields = Reader(to_be_signed.contents);
    let version = match fields.optional(tag::constructed(0))? {
        Some(version) => Reader(version.contents).small()?,
        None => 0,
    };
    let serial = fields.unsigned()?;
    fields.element(tag::SEQUENCE)?;
    let issuer = fields.element(tag::SEQUENCE)?;
    let mut validity = fields.inside(tag::SEQUENCE)?;
    let (from, to) = (time(&mut validity)?, time(&mut validity)?);
    let subject = fields.element(tag::SEQUENCE)?;
    let key = fields.element(tag::SEQUENCE)?;
    fields.optional(tag::context(1))?;
    fields.optional(tag::context(2))?;
    let (mut list, mut read) = (Vec::new(), Extensions::default());
    if let Some(extensions) = fields.optional(tag::constructed(3))? {
        (list, read) = extension_list(Reader(extensions.contents).inside(tag::SEQUENCE)?)?;
    }
    let map = Value::build()
        .member("Raw", bytes(whole.raw))
        .member("RawTBSCertificate", bytes(to_be_signed.raw))
        .member("RawSubjectPublicKeyInfo", bytes(key.raw))
        .member("RawSubject", bytes(subject.raw))
        .member("RawIssuer", bytes(issuer.raw))
        .member("Signature", bytes(signature))
        .member("SignatureAlgorithm", signature_algorithm(algorithm)?)
        .member("PublicKeyAlgorithm", RSA_NUMBER)
        .member("PublicKey", public_key(key.contents)?)
        .member("Version", version + 1)
        .member("SerialNumber", number(serial))
        .member("Issuer", name(issuer.contents)?)
        .member("Subject", name(subject.contents)?)
        .member("NotBefore", from)
        .member("NotAfter", to)
        .member("Extensions", self::list(list))
        .member("ExtraExtensions", Value::NULL);
    Ok(read.certificate_members(map).finish())
}

/// SPEC: RFC 2986 4.
fn request(der: &[u8]) -> Result<Value, Refused> {
    let mut outer = Reader(der);
    let whole = outer.element(tag::SEQUENCE)?;
    if !outer.is_empty() {
        return Err(Refused::TrailingData);
    }
    let mut parts = Reader(whole.contents);
    let to_be_signed = parts.element(tag::SEQUENCE)?;
    let algorithm = parts.inside(tag::SEQUENCE)?;
    let signature = parts.whole_bits()?;

    let mut fields = Reader(to_be_signed.contents);
    let version = fields.small()?;
    let subject = fields.element(tag::SEQUENCE)?;
    let key = fields.element(tag::SEQUENCE)?;
    let (mut attributes, mut list, mut read) = (Vec::new(), Vec::new(), Extensions::default());
    if let Some(set) = fields.optional(tag::constructed(0))? {
        let mut set = Reader(set.contents);
        while !set.is_empty() {
            let mut attribute = set.inside(tag::SEQUENCE)?;
            let kind = attribute.oid()?;
            if kind == extensions::REQUESTED {
                (list, read) = extension_list(attribute.inside(tag::SET)?.inside(tag::SEQUENCE)?)?;
            }
            attributes.extend(extensions::attribute(&kind, &list));
        }
    }
    let map = Value::build()
        .member("Raw", bytes(whole.raw))
        .member("RawTBSCertificateRequest", bytes(to_be_signed.raw))
        .member("RawSubjectPublicKeyInfo", bytes(key.raw))
        .member("RawSubject", bytes(subject.raw))
        .member("Version", version)
        .member("Signature", bytes(signature))
        .member("SignatureAlgorithm", signature_algorithm(algorithm)?)
        .member("PublicKeyAlgorithm", RSA_NUMBER)
        .member("PublicKey", public_key(key.contents)?)
        .member("Subject", name(subject.contents)?)
        .member("Attributes", self::list(attributes))
        .member("Extensions", self::list(list))
        .member("ExtraExtensions", Value::NULL);
    Ok(read.name_members(map).finish())
}

/// The two numbers of an RSA key. SPEC: RFC 8017 A.1.1.
fn public_key(info: &[u8]) -> Result<Value, Refused> {
    let mut info = Reader(info);
    if info.inside(tag::SEQUENCE)?.oid()? != RSA {
        return Err(Refused::NotRsa);
    }
    let mut key = Reader(info.whole_bits()?).inside(tag::SEQUENCE)?;
    let modulus = key.unsigned()?;
    Ok(Value::build().member("N", decimal(modulus)).member("E", key.small()?).finish())
}

/// A point in time as RFC 3339. SPEC: RFC 5280 4.1.2.5.
fn time(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    let element = reader.any()?;
    let text = std::str::from_utf8(element.contents).map_err(|_| Malformed)?;
    let (layout, text) = match element.tag {
        tag::UTC_TIME => {
            // Two digits of the year, the century changes at 50.
            let century = if text < "50" { "20" } else { "19" };
            ("20060102150405Z", format!("{century}{text}"))
        }
        tag::GENERALIZED_TIME => ("20060102150405Z", text.to_owned()),
        _ => return Err(Malformed),
    };
    let time = parse_time(layout, &text).map_err(|_| Malformed)?;
    Ok(Value::from(time.rfc3339()))
}

/// Go's number of a signature algorithm, 0 for one it does not know.
fn signature_algorithm(mut algorithm: Reader<'_>) -> Result<i64, Malformed> {
    let oid = algorithm.oid()?;
    Ok(match oid.as_slice() {
        [1, 2, 840, 113_549, 1, 1, 2] => 1,
        [1, 2, 840, 113_549, 1, 1, 4] => 2,
        [1, 2, 840, 113_549, 1, 1, 5] | [1, 3, 14, 3, 2, 29] => 3,
        [1, 2, 840, 113_549, 1, 1, 11] => 4,
        [1, 2, 840, 113_549, 1, 1, 12] => 5,
        [1, 2, 840, 113_549, 1, 1, 13] => 6,
        [1, 2, 840, 10_040, 4, 3] => 7,
        [2, 16, 840, 1, 101, 3, 4, 3, 2] => 8,
        [1, 2, 840, 10_045, 4, 1] => 9,
        [1, 2, 840, 10_045, 4, 3, 2] => 10,
        [1, 2, 840, 10_045, 4, 3, 3] => 11,
        [1, 2, 840, 10_045, 4, 3, 4] => 12,
        [1, 2, 840, 113_549, 1, 1, 10] => pss(algorithm).unwrap_or(0),
        [1, 3, 101, 112] => 16,
        _ => 0,
    })
}

/// Go's number of the three forms of RSASSA-PSS that it knows: one hash for all, the salt as long as the hash. SPEC: RFC
/// 8017 A.2.3.
fn pss(mut parameters: Reader<'_>) -> Result<i64, Malformed> {
    const MGF1: &[u64] = &[1, 2, 840, 113_549, 1, 1, 8];
    let mut fields = parameters.inside(tag::SEQUENCE)?;
    let hash = fields.inside(tag::constructed(0))?.inside(tag::SEQUENCE)?.oid()?;
    let mut mask = fields.inside(tag::constructed(1))?.inside(tag::SEQUENCE)?;
    if mask.oid()? != MGF1 || mask.inside(tag::SEQUENCE)?.oid()? != hash {
        return Ok(0);
    }
    let salt = fields.inside(tag::constructed(2))?.small()?;
    Ok(match (hash.as_slice(), salt) {
        ([2, 16, 840, 1, 101, 3, 4, 2, 1], 32) => 13,
        ([2, 16, 840, 1, 101, 3, 4, 2, 2], 48) => 14,
        ([2, 16, 840, 1, 101, 3, 4, 2, 3], 64) => 15,
        _ => 0,
    })
}

/// A distinguished name as Go's `pkix.Name`.
fn name(sequence: &[u8]) -> Result<Value, Malformed> {
    /// The lists of `pkix.Name`, by the last number of their attribute type.
    const LISTS: [(&str, u64); 7] = [
        ("Country", 6),
        ("Organization", 10),
        ("OrganizationalUnit", 11),
        ("Locality", 7),
        ("Province", 8),
        ("StreetAddress", 9),
        ("PostalCode", 17),
    ];
    let mut attributes: Vec<(Vec<u64>, Value)> = Vec::new();
    let mut sets = Reader(sequence);
    while !sets.is_empty() {
        let mut set = sets.inside(tag::SET)?;
        while !set.is_empty() {
            let mut attribute = set.inside(tag::SEQUENCE)?;
            attributes.push((attribute.oid()?, Value::from(string(&mut attribute)?)));
        }
    }
    let of_type = |number: u64| {
        let attributes = attributes.iter();
        attributes.filter(move |(oid, _)| *oid == [2, 5, 4, number]).map(|(_, value)| value.clone())
    };
    let last = |number: u64| of_type(number).next_back().unwrap_or_else(|| Value::from(""));
    let mut map = Value::build();
    for (field, number) in LISTS {
        map = map.member(field, list(of_type(number).collect()));
    }
    let names = attributes.iter().map(|(oid, value)| {
        Value::build().member("Type", numbers(oid)).member("Value", value.clone()).finish()
    });
    Ok(map
        .member("SerialNumber", last(5))
        .member("CommonName", last(3))
        .member("Names", list(names.collect()))
        .member("ExtraNames", Value::NULL)
        .finish())
}

/// A string of one of the many types of ASN.1.
fn string(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let element = reader.any()?;
    match element.tag {
        tag::UTF8_STRING => {
            std::str::from_utf8(element.contents).map(str::to_owned).map_err(|_| Malformed)
        }
        tag::PRINTABLE_STRING | tag::IA5_STRING | tag::NUMERIC_STRING
            if element.contents.is_ascii() =>
        {
            Ok(element.contents.iter().map(|byte| char::from(*byte)).collect())
        }
        // Read as Latin-1, as everybody does.
        tag::T61_STRING => Ok(element.contents.iter().map(|byte| char::from(*byte)).collect()),
        tag::BMP_STRING if element.contents.len() % 2 == 0 => {
            let units = element.contents.chunks_exact(2);
            let units =
                units.map(|pair| pair.iter().fold(0u16, |unit, byte| unit << 8 | u16::from(*byte)));
            Ok(char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect())
        }
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests;
