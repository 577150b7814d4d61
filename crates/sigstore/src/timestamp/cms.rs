//! The structures around a timestamp: response, signed data, signer, and the time itself.
use super::TimestampError;
use crate::{
    der::{self, Reader},
    encoding::sha256,
    keys::Certificate,
    requirement::Timestamp,
};
use aws_lc_rs::digest;

/// id-signedData, 1.2.840.113549.1.7.2.
const OID_SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// id-ct-TSTInfo, 1.2.840.113549.1.9.16.1.4.
const OID_TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
/// id-contentType, 1.2.840.113549.1.9.3.
const OID_CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// id-messageDigest, 1.2.840.113549.1.9.4.
const OID_MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// id-aa-signingCertificate, 1.2.840.113549.1.9.16.2.12.
const OID_SIGNING_CERTIFICATE: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c];
/// id-aa-signingCertificateV2, 1.2.840.113549.1.9.16.2.47.
const OID_SIGNING_CERTIFICATE_V2: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
/// 2.16.840.1.101.3.4.2.1.
const OID_SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 2.16.840.1.101.3.4.2.2.
const OID_SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
/// 2.16.840.1.101.3.4.2.3.
const OID_SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
/// Most certificates inside one token.
const MAX_CERTIFICATES: usize = 16;

/// A token, taken apart; nothing in it is verified.
pub(super) struct Token<'a> {
    /// The DER of the signed statement.
    info: &'a [u8],
    imprint: (&'a [u8], &'a [u8]),
    pub(super) time: Timestamp,
    pub(super) accuracy: u64,
    nonce: Option<&'a [u8]>,
    certificates: Vec<Certificate>,
    signer: Signer<'a>,
}

struct Signer<'a> {
    issuer: Option<&'a [u8]>,
    serial: &'a [u8],
    key_identifier: &'a [u8],
    digest: &'static digest::Algorithm,
    /// The attributes with the header that is hashed.
    attributes: Vec<u8>,
    message_digest: &'a [u8],
    certificate_hash: (&'static digest::Algorithm, &'a [u8]),
    signature: &'a [u8],
}

const fn malformed(what: &'static str) -> TimestampError {
    TimestampError::Malformed(what)
}

fn hash(oid: &[u8]) -> Result<&'static digest::Algorithm, TimestampError> {
    match oid {
        OID_SHA256 => Ok(&digest::SHA256),
        OID_SHA384 => Ok(&digest::SHA384),
        OID_SHA512 => Ok(&digest::SHA512),
        _ => Err(TimestampError::Hash),
    }
}

/// The identifier of an AlgorithmIdentifier; parameters are absent or NULL.
fn algorithm<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut identifier = reader.enter(der::SEQUENCE)?;
    let oid = identifier.take(der::OID)?;
    if !identifier.is_empty() {
        identifier.take(der::NULL).filter(|null| null.is_empty())?;
    }
    identifier.end()?;
    Some(oid)
}

impl<'a> Token<'a> {
    /// Reads a `TimeStampResp`.
    pub(super) fn parse(response: &'a [u8]) -> Result<Self, TimestampError> {
        let mut outer = Reader::new(response);
        let mut parts = outer.enter(der::SEQUENCE).ok_or(malformed("response"))?;
        outer.end().ok_or(malformed("bytes after the response"))?;
        let status = parts
            .enter(der::SEQUENCE)
            .and_then(|mut status| status.take(der::INTEGER))
            .ok_or(malformed("status"))?;
        // SPEC: RFC 3161 section 2.4.2: granted, or granted with modifications.
        if !matches!(status, [0 | 1]) {
            return Err(TimestampError::NotGranted);
        }
        let mut content = parts.enter(der::SEQUENCE).ok_or(malformed("token"))?;
        parts.end().ok_or(malformed("bytes after the token"))?;
        if content.take(der::OID) != Some(OID_SIGNED_DATA) {
            return Err(malformed("content type"));
        }
        let mut wrapped = content.enter(der::CONTEXT_0).ok_or(malformed("signed data"))?;
        content.end().ok_or(malformed("bytes after the signed data"))?;
        let data = wrapped.enter(der::SEQUENCE).ok_or(malformed("signed data"))?;
        wrapped.end().ok_or(malformed("bytes after the signed data"))?;
        Self::signed_data(data)
    }

    fn signed_data(mut data: Reader<'a>) -> Result<Self, TimestampError> {
        data.take(der::INTEGER).ok_or(malformed("version"))?;
        data.take(der::SET).ok_or(malformed("digest algorithms"))?;
        let info = content(&mut data).ok_or(malformed("content"))?;
        let mut certificates = Vec::new();
        if let Some(mut list) = data.enter(der::CONTEXT_0) {
            while let Some((_, _, whole)) = list.any() {
                if certificates.len() >= MAX_CERTIFICATES {
                    return Err(TimestampError::TooLarge);
                }
                // One that cannot be read can be nobody's.
                certificates.extend(Certificate::parse_der(whole).ok());
            }
            list.end().ok_or(malformed("certificates"))?;
        }
        data.take(der::CONTEXT_1);
        let mut signers = data.enter(der::SET).ok_or(malformed("signers"))?;
        data.end().ok_or(malformed("bytes after the signers"))?;
        let signer = signers.enter(der::SEQUENCE).ok_or(malformed("signer"))?;
        // SPEC: RFC 3161 section 2.4.2: only the authority's own signature.
        signers.end().ok_or(malformed("several signers"))?;
        let signer = Signer::parse(signer)?;
        let stated = statement(info)?;
        Ok(Self {
            info,
            imprint: stated.imprint,
            time: stated.time,
            accuracy: stated.accuracy,
            nonce: stated.nonce,
            certificates,
            signer,
        })
    }

    /// The statement is about these bytes.
    pub(super) fn check_imprint(&self, message: &[u8]) -> Result<(), TimestampError> {
        let (oid, stated) = self.imprint;
        let same = digest::digest(hash(oid)?, message).as_ref() == stated;
        same.then_some(()).ok_or(TimestampError::OtherMessage)
    }

    /// The statement carries this nonce.
    pub(super) fn check_nonce(&self, nonce: u64) -> Result<(), TimestampError> {
        let asked = der::integer(&nonce.to_be_bytes());
        let same = Reader::new(&asked).take(der::INTEGER) == self.nonce;
        same.then_some(()).ok_or(TimestampError::OtherRequest)
    }

    /// True when the signer is named as this certificate.
    pub(super) fn is_signer(&self, certificate: &Certificate) -> bool {
        match self.signer.issuer {
            Some(issuer) => {
                certificate.issuer() == issuer && certificate.serial() == self.signer.serial
            }
            None => certificate.key_identifier() == Some(self.signer.key_identifier),
        }
    }

    /// The signer's certificate, when the token brings it.
    pub(super) fn embedded_signer(&self) -> Option<Certificate> {
        self.certificates.iter().find(|one| self.is_signer(one)).cloned()
    }

    /// Signature, attributes and content belong together and are this certificate's.
    pub(super) fn verify(&self, leaf: &Certificate) -> Result<(), TimestampError> {
        let signer = &self.signer;
        if digest::digest(signer.digest, self.info).as_ref() != signer.message_digest {
            return Err(TimestampError::Signature);
        }
        let (algorithm, stated) = signer.certificate_hash;
        if digest::digest(algorithm, leaf.as_der()).as_ref() != stated {
            return Err(TimestampError::Signature);
        }
        leaf.key()
            .verify(&signer.attributes, signer.signature)
            .map_err(|_| TimestampError::Signature)
    }
}

/// The signed statement inside the encapsulated content.
fn content<'a>(data: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut encapsulated = data.enter(der::SEQUENCE)?;
    if encapsulated.take(der::OID)? != OID_TST_INFO {
        return None;
    }
    let mut wrapped = encapsulated.enter(der::CONTEXT_0)?;
    encapsulated.end()?;
    let info = wrapped.take(der::OCTET_STRING)?;
    wrapped.end()?;
    Some(info)
}

impl<'a> Signer<'a> {
    fn parse(mut signer: Reader<'a>) -> Result<Self, TimestampError> {
        signer.take(der::INTEGER).ok_or(malformed("signer's version"))?;
        let (mut issuer, mut serial, mut key_identifier) = (None, &[][..], &[][..]);
        if let Some(mut named) = signer.enter(der::SEQUENCE) {
            issuer = Some(named.whole(der::SEQUENCE).ok_or(malformed("signer's issuer"))?);
            serial = named.take(der::INTEGER).ok_or(malformed("signer's serial number"))?;
            named.end().ok_or(malformed("signer's name"))?;
        } else {
            key_identifier = signer.take(0x80).ok_or(malformed("signer's name"))?;
        }
        let digest = hash(algorithm(&mut signer).ok_or(malformed("signer's digest algorithm"))?)?;
        let attributes = signer.take(der::CONTEXT_0).ok_or(malformed("no signed attributes"))?;
        let (message_digest, certificate_hash) = read_attributes(attributes)?;
        signer.take(der::SEQUENCE).ok_or(malformed("signature algorithm"))?;
        let signature = signer.take(der::OCTET_STRING).ok_or(malformed("signature"))?;
        signer.take(der::CONTEXT_1);
        signer.end().ok_or(malformed("bytes after the signature"))?;
        Ok(Self {
            issuer,
            serial,
            key_identifier,
            digest,
            // SPEC: RFC 5652 section 5.4: hashed as a SET OF, not with the tag that stands there.
            attributes: der::element(der::SET, attributes),
            message_digest,
            certificate_hash,
            signature,
        })
    }
}

type CertificateHash<'a> = (&'static digest::Algorithm, &'a [u8]);

/// Content type, digest of the content, and hash of the signer's certificate; each exactly once.
fn read_attributes(attributes: &[u8]) -> Result<(&[u8], CertificateHash<'_>), TimestampError> {
    let (mut content_type, mut message_digest, mut certificate) = (None, None, None);
    let mut list = Reader::new(attributes);
    while !list.is_empty() {
        let mut attribute = list.enter(der::SEQUENCE).ok_or(malformed("attribute"))?;
        let oid = attribute.take(der::OID).ok_or(malformed("attribute"))?;
        let mut values = attribute.enter(der::SET).ok_or(malformed("attribute"))?;
        attribute.end().ok_or(malformed("attribute"))?;
        let twice = match oid {
            OID_CONTENT_TYPE => content_type.replace(one(&mut values, der::OID)?).is_some(),
            OID_MESSAGE_DIGEST => {
                message_digest.replace(one(&mut values, der::OCTET_STRING)?).is_some()
            }
            OID_SIGNING_CERTIFICATE | OID_SIGNING_CERTIFICATE_V2 => {
                let hash = certificate_hash(one(&mut values, der::SEQUENCE)?, oid)?;
                // Some authorities state both; the newer one counts.
                if oid == OID_SIGNING_CERTIFICATE_V2 || certificate.is_none() {
                    certificate = Some(hash);
                }
                false
            }
            _ => false,
        };
        if twice {
            return Err(malformed("attribute is there twice"));
        }
    }
    if content_type != Some(OID_TST_INFO) {
        return Err(malformed("signed content type"));
    }
    Ok((
        message_digest.ok_or(malformed("no message digest"))?,
        certificate.ok_or(malformed("no signing certificate attribute"))?,
    ))
}

fn one<'a>(values: &mut Reader<'a>, tag: u8) -> Result<&'a [u8], TimestampError> {
    let value = values.take(tag).ok_or(malformed("attribute's value"))?;
    values.end().ok_or(malformed("attribute has several values"))?;
    Ok(value)
}

/// SPEC: RFC 5035: the first entry is the signer's; SHA-1 in the old form, SHA-256 by default in the new.
fn certificate_hash<'a>(
    value: &'a [u8],
    oid: &[u8],
) -> Result<CertificateHash<'a>, TimestampError> {
    let bad = || malformed("signing certificate attribute");
    let mut certificates = Reader::new(value).enter(der::SEQUENCE).ok_or_else(bad)?;
    let mut first = certificates.enter(der::SEQUENCE).ok_or_else(bad)?;
    let by = if oid == OID_SIGNING_CERTIFICATE {
        &digest::SHA1_FOR_LEGACY_USE_ONLY
    } else if first.peek() == Some(der::SEQUENCE) {
        hash(algorithm(&mut first).ok_or_else(bad)?)?
    } else {
        &digest::SHA256
    };
    Ok((by, first.take(der::OCTET_STRING).ok_or_else(bad)?))
}

struct Statement<'a> {
    imprint: (&'a [u8], &'a [u8]),
    time: Timestamp,
    accuracy: u64,
    nonce: Option<&'a [u8]>,
}

/// SPEC: RFC 3161 section 2.4.2, TSTInfo.
fn statement(info: &[u8]) -> Result<Statement<'_>, TimestampError> {
    let bad = || malformed("statement");
    let mut outer = Reader::new(info);
    let mut parts = outer.enter(der::SEQUENCE).ok_or_else(bad)?;
    outer.end().ok_or_else(bad)?;
    if parts.take(der::INTEGER) != Some(&[1]) {
        return Err(bad());
    }
    parts.take(der::OID).ok_or_else(bad)?;
    let mut imprint = parts.enter(der::SEQUENCE).ok_or_else(bad)?;
    let oid = algorithm(&mut imprint).ok_or_else(bad)?;
    let hashed = imprint.take(der::OCTET_STRING).ok_or_else(bad)?;
    imprint.end().ok_or_else(bad)?;
    parts.take(der::INTEGER).ok_or_else(bad)?;
    let time = parts.take(der::GENERALIZED_TIME).and_then(time).ok_or(malformed("time"))?;
    let mut accuracy = 0;
    if let Some(mut stated) = parts.enter(der::SEQUENCE) {
        if let Some(seconds) = stated.take(der::INTEGER) {
            let long = seconds.len() > 8;
            accuracy = seconds.iter().fold(0_u64, |n, b| (n << 8) | u64::from(*b));
            if long {
                return Err(malformed("accuracy"));
            }
        }
        // Milli- and microseconds: less than a second more.
        accuracy = accuracy.saturating_add(u64::from(!stated.is_empty()));
    }
    // Ordering, the authority's name and extensions: nothing is decided by them.
    parts.take(der::BOOLEAN);
    let nonce = parts.take(der::INTEGER);
    for tag in [der::CONTEXT_0, der::CONTEXT_1] {
        parts.take(tag);
    }
    parts.end().ok_or_else(bad)?;
    Ok(Statement { imprint: (oid, hashed), time, accuracy, nonce })
}

/// `YYYYMMDDHHMMSS[.fraction]Z`.
fn time(text: &[u8]) -> Option<Timestamp> {
    let text = text.strip_suffix(b"Z")?;
    let (whole, fraction) = text.split_at_checked(14)?;
    let fraction_is_sound = match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let (year, rest) = whole.split_at_checked(4)?;
    fraction_is_sound.then_some(())?;
    crate::certificate::day_and_time(crate::time::number(year)?, rest)
}

/// A `TimeStampReq` with SHA-256, a nonce, and the wish for the certificate.
pub(super) fn request(message: &[u8], nonce: u64) -> Vec<u8> {
    let identifier =
        der::sequence(&[&der::element(der::OID, OID_SHA256), &der::element(der::NULL, &[])]);
    let imprint = der::sequence(&[&identifier, &der::element(der::OCTET_STRING, &sha256(message))]);
    der::sequence(&[
        &der::integer(&[1]),
        &imprint,
        &der::integer(&nonce.to_be_bytes()),
        &der::element(der::BOOLEAN, &[0xff]),
    ])
}
