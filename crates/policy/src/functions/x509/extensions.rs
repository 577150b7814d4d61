//! The extensions of certificates and requests that Go reads into fields of their own.
use super::super::der::{Malformed, Reader, small, tag};
use super::{bytes, list, numbers};
use sigward_document::{MapBuilder, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The attribute of a request that lists the extensions it asks for. SPEC: RFC 2985 5.4.2.
pub(super) const REQUESTED: &[u64] = &[1, 2, 840, 113_549, 1, 9, 14];

/// Purposes in the order of Go's `x509.ExtKeyUsage`.
const PURPOSES: [&[u64]; 14] = [
    &[2, 5, 29, 37, 0],
    &[1, 3, 6, 1, 5, 5, 7, 3, 1],
    &[1, 3, 6, 1, 5, 5, 7, 3, 2],
    &[1, 3, 6, 1, 5, 5, 7, 3, 3],
    &[1, 3, 6, 1, 5, 5, 7, 3, 4],
    &[1, 3, 6, 1, 5, 5, 7, 3, 5],
    &[1, 3, 6, 1, 5, 5, 7, 3, 6],
    &[1, 3, 6, 1, 5, 5, 7, 3, 7],
    &[1, 3, 6, 1, 5, 5, 7, 3, 8],
    &[1, 3, 6, 1, 5, 5, 7, 3, 9],
    &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3],
    &[2, 16, 840, 1, 113_730, 4, 1],
    &[1, 3, 6, 1, 4, 1, 311, 2, 1, 22],
    &[1, 3, 6, 1, 4, 1, 311, 61, 1, 1],
];

/// Names of the four kinds that Go keeps.
#[derive(Debug, Default)]
struct Names {
    dns: Vec<Value>,
    email: Vec<Value>,
    ip: Vec<Value>,
    uri: Vec<Value>,
}

/// What the extensions say.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    key_usage: i64,
    purposes: Vec<Value>,
    unknown_purposes: Vec<Value>,
    constraints_valid: bool,
    is_ca: bool,
    /// -1 when there are basic constraints without one.
    max_path: i64,
    subject_key: Option<Value>,
    authority_key: Option<Value>,
    ocsp: Vec<Value>,
    issuers: Vec<Value>,
    names: Names,
    constraints_critical: bool,
    permitted: Names,
    excluded: Names,
    revocation: Vec<Value>,
    policies: Vec<Vec<u64>>,
    /// `RequireExplicitPolicy`, `InhibitPolicyMapping`, `InhibitAnyPolicy`.
    policy_limits: [Option<i64>; 3],
    mappings: Vec<Value>,
    unhandled: Vec<Value>,
}

/// The extensions as a list, and what they say.
pub(super) fn extension_list(
    mut sequence: Reader<'_>,
) -> Result<(Vec<Value>, Extensions), Malformed> {
    let (mut listed, mut read) = (Vec::new(), Extensions::default());
    while !sequence.is_empty() {
        let mut extension = sequence.inside(tag::SEQUENCE)?;
        let id = extension.oid()?;
        let critical = extension.optional(tag::BOOLEAN)?.is_some_and(|flag| flag.contents != [0]);
        let value = extension.element(tag::OCTET_STRING)?.contents;
        if !read.take(&id, value, critical)? && critical {
            read.unhandled.push(numbers(&id));
        }
        listed.push(
            Value::build()
                .member("Id", numbers(&id))
                .member("Critical", critical)
                .member("Value", bytes(value))
                .finish(),
        );
    }
    Ok((listed, read))
}

/// An attribute of a request as Go's deprecated field shows it: a set of sequences of a type and a value. Only the one
/// that asks for extensions has this shape; others are left out, as there.
pub(super) fn attribute(kind: &[u64], extensions: &[Value]) -> Option<Value> {
    if kind != REQUESTED {
        return None;
    }
    let pairs = extensions.iter().map(|extension| {
        let part = |name: &str| extension.get(name).cloned().unwrap_or(Value::NULL);
        Value::build().member("Type", part("Id")).member("Value", part("Value")).finish()
    });
    let values = Value::list([Value::list(pairs)]);
    Some(Value::build().member("Type", numbers(kind)).member("Value", values).finish())
}

impl Extensions {
    /// Reads one extension; false when it is none of those that Go knows. SPEC: RFC 5280 4.2.
    fn take(&mut self, id: &[u64], value: &[u8], critical: bool) -> Result<bool, Malformed> {
        let mut value = Reader(value);
        match id {
            [2, 5, 29, 14] => {
                self.subject_key = Some(bytes(value.element(tag::OCTET_STRING)?.contents));
            }
            [2, 5, 29, 15] => self.key_usage = usages(value)?,
            [2, 5, 29, 17] => {
                let mut names = value.inside(tag::SEQUENCE)?;
                while !names.is_empty() {
                    self.names.take(&mut names)?;
                }
                // Go leaves names of other kinds to whoever demands them.
                let any = !self.names.dns.is_empty()
                    || !self.names.email.is_empty()
                    || !self.names.ip.is_empty()
                    || !self.names.uri.is_empty();
                return Ok(any);
            }
            [2, 5, 29, 19] => {
                let mut fields = value.inside(tag::SEQUENCE)?;
                self.constraints_valid = true;
                self.is_ca =
                    fields.optional(tag::BOOLEAN)?.is_some_and(|flag| flag.contents != [0]);
                self.max_path = if fields.is_empty() { -1 } else { fields.small()? };
            }
            [2, 5, 29, 30] => {
                self.constraints_critical = critical;
                let mut fields = value.inside(tag::SEQUENCE)?;
                if let Some(permitted) = fields.optional(tag::constructed(0))? {
                    self.permitted.subtrees(Reader(permitted.contents))?;
                }
                if let Some(excluded) = fields.optional(tag::constructed(1))? {
                    self.excluded.subtrees(Reader(excluded.contents))?;
                }
            }
            [2, 5, 29, 31] => self.revocation = revocation(value)?,
            [2, 5, 29, 32] => {
                let mut policies = value.inside(tag::SEQUENCE)?;
                while !policies.is_empty() {
                    self.policies.push(policies.inside(tag::SEQUENCE)?.oid()?);
                }
            }
            [2, 5, 29, 33] => {
                let mut mappings = value.inside(tag::SEQUENCE)?;
                while !mappings.is_empty() {
                    let mut pair = mappings.inside(tag::SEQUENCE)?;
                    let (issuer, subject) = (dotted(&pair.oid()?), dotted(&pair.oid()?));
                    self.mappings.push(
                        Value::build()
                            .member("IssuerDomainPolicy", issuer)
                            .member("SubjectDomainPolicy", subject)
                            .finish(),
                    );
                }
            }
            [2, 5, 29, 35] => {
                let key = value.inside(tag::SEQUENCE)?.optional(tag::context(0))?;
                self.authority_key = key.map(|key| bytes(key.contents));
            }
            [2, 5, 29, 36] => {
                let mut fields = value.inside(tag::SEQUENCE)?;
                for (number, limit) in (0..).zip(self.policy_limits.iter_mut().take(2)) {
                    if let Some(found) = fields.optional(tag::context(number))? {
                        *limit = Some(small(found.contents)?);
                    }
                }
            }
            [2, 5, 29, 37] => {
                let mut purposes = value.inside(tag::SEQUENCE)?;
                while !purposes.is_empty() {
                    let purpose = purposes.oid()?;
                    match (0i64..).zip(PURPOSES).find(|(_, known)| *known == purpose) {
                        Some((number, _)) => self.purposes.push(Value::from(number)),
                        None => self.unknown_purposes.push(numbers(&purpose)),
                    }
                }
            }
            [2, 5, 29, 54] => {
                if let Some(limit) = self.policy_limits.last_mut() {
                    *limit = Some(value.small()?);
                }
            }
            [1, 3, 6, 1, 5, 5, 7, 1, 1] => {
                let mut descriptions = value.inside(tag::SEQUENCE)?;
                while !descriptions.is_empty() {
                    let mut description = descriptions.inside(tag::SEQUENCE)?;
                    let method = description.oid()?;
                    let place = description.any()?;
                    if place.tag == tag::context(6) {
                        let place =
                            Value::from(String::from_utf8_lossy(place.contents).into_owned());
                        match method.as_slice() {
                            [1, 3, 6, 1, 5, 5, 7, 48, 1] => self.ocsp.push(place),
                            [1, 3, 6, 1, 5, 5, 7, 48, 2] => self.issuers.push(place),
                            _ => {}
                        }
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The members that a request has too.
    pub(super) fn name_members(self, map: MapBuilder) -> MapBuilder {
        let Names { dns, email, ip, uri } = self.names;
        map.member("DNSNames", list(dns))
            .member("EmailAddresses", list(email))
            .member("IPAddresses", list(ip))
            .member("URIs", list(uri))
    }

    /// The members of a certificate.
    pub(super) fn certificate_members(mut self, map: MapBuilder) -> MapBuilder {
        let permitted = std::mem::take(&mut self.permitted);
        let excluded = std::mem::take(&mut self.excluded);
        let limit = |index: usize| self.policy_limits.get(index).copied().flatten();
        let policies = self.policies.iter();
        let map = map
            .member("KeyUsage", self.key_usage)
            .member("UnhandledCriticalExtensions", list(std::mem::take(&mut self.unhandled)))
            .member("ExtKeyUsage", list(std::mem::take(&mut self.purposes)))
            .member("UnknownExtKeyUsage", list(std::mem::take(&mut self.unknown_purposes)))
            .member("BasicConstraintsValid", self.constraints_valid)
            .member("IsCA", self.is_ca)
            .member("MaxPathLen", self.max_path)
            .member("MaxPathLenZero", self.constraints_valid && self.max_path == 0)
            .member("SubjectKeyId", self.subject_key.take().unwrap_or(Value::NULL))
            .member("AuthorityKeyId", self.authority_key.take().unwrap_or(Value::NULL))
            .member("OCSPServer", list(std::mem::take(&mut self.ocsp)))
            .member("IssuingCertificateURL", list(std::mem::take(&mut self.issuers)))
            .member("PermittedDNSDomainsCritical", self.constraints_critical)
            .member("PermittedDNSDomains", list(permitted.dns))
            .member("ExcludedDNSDomains", list(excluded.dns))
            .member("PermittedIPRanges", list(permitted.ip))
            .member("ExcludedIPRanges", list(excluded.ip))
            .member("PermittedEmailAddresses", list(permitted.email))
            .member("ExcludedEmailAddresses", list(excluded.email))
            .member("PermittedURIDomains", list(permitted.uri))
            .member("ExcludedURIDomains", list(excluded.uri))
            .member("CRLDistributionPoints", list(std::mem::take(&mut self.revocation)))
            .member("PolicyIdentifiers", list(policies.clone().map(|oid| numbers(oid)).collect()))
            .member("Policies", list(policies.map(|oid| dotted(oid)).collect()))
            .member("RequireExplicitPolicy", limit(0).unwrap_or(0))
            .member("RequireExplicitPolicyZero", limit(0) == Some(0))
            .member("InhibitPolicyMapping", limit(1).unwrap_or(0))
            .member("InhibitPolicyMappingZero", limit(1) == Some(0))
            .member("InhibitAnyPolicy", limit(2).unwrap_or(0))
            .member("InhibitAnyPolicyZero", limit(2) == Some(0))
            .member("PolicyMappings", list(std::mem::take(&mut self.mappings)));
        self.name_members(map)
    }
}

fn dotted(oid: &[u64]) -> Value {
    Value::from(oid.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

/// Bit n of the string is bit n of the number.
fn usages(mut value: Reader<'_>) -> Result<i64, Malformed> {
    let [unused, flags @ ..] = value.element(tag::BIT_STRING)?.contents else {
        return Err(Malformed);
    };
    if *unused > 7 {
        return Err(Malformed);
    }
    let bits = flags.iter().take(2).flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1));
    Ok((0..9).zip(bits).fold(0, |usage, (bit, set)| usage | i64::from(set) << bit))
}

fn revocation(mut value: Reader<'_>) -> Result<Vec<Value>, Malformed> {
    let mut found = Vec::new();
    let mut points = value.inside(tag::SEQUENCE)?;
    while !points.is_empty() {
        let Some(name) = points.inside(tag::SEQUENCE)?.optional(tag::constructed(0))? else {
            continue;
        };
        let Some(full) = Reader(name.contents).optional(tag::constructed(0))? else { continue };
        let mut names = Reader(full.contents);
        while !names.is_empty() {
            let name = names.any()?;
            if name.tag == tag::context(6) {
                found.push(Value::from(String::from_utf8_lossy(name.contents).into_owned()));
            }
        }
    }
    Ok(found)
}

impl Names {
    /// Reads one general name; kinds that Go does not keep are passed over.
    fn take(&mut self, names: &mut Reader<'_>) -> Result<(), Malformed> {
        let name = names.any()?;
        if name.tag == tag::context(7) {
            self.ip.push(Value::from(address(name.contents).ok_or(Malformed)?.to_string()));
            return Ok(());
        }
        if !(1..=6).contains(&(name.tag & 0x1F)) || name.tag & 0xC0 != 0x80 {
            return Ok(());
        }
        let text = || {
            let text = std::str::from_utf8(name.contents).ok().filter(|text| text.is_ascii());
            text.map(str::to_owned).ok_or(Malformed)
        };
        if name.tag == tag::context(1) {
            self.email.push(Value::from(text()?));
        } else if name.tag == tag::context(2) {
            self.dns.push(Value::from(text()?));
        } else if name.tag == tag::context(6) {
            self.uri.push(url(&text()?));
        }
        Ok(())
    }

    /// Reads the subtrees of name constraints.
    fn subtrees(&mut self, mut subtrees: Reader<'_>) -> Result<(), Malformed> {
        while !subtrees.is_empty() {
            let base = subtrees.inside(tag::SEQUENCE)?.any()?;
            let text = || Value::from(String::from_utf8_lossy(base.contents).into_owned());
            if base.tag == tag::context(1) {
                self.email.push(text());
            } else if base.tag == tag::context(2) {
                self.dns.push(text());
            } else if base.tag == tag::context(6) {
                self.uri.push(text());
            } else if base.tag == tag::context(7) {
                let (ip, mask) =
                    base.contents.split_at_checked(base.contents.len() / 2).ok_or(Malformed)?;
                let ip = address(ip).ok_or(Malformed)?.to_string();
                self.ip.push(Value::build().member("IP", ip).member("Mask", bytes(mask)).finish());
            }
        }
        Ok(())
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::V6(Ipv6Addr::from(sixteen)))
}

/// A URL as Go's `url.URL`, as far as certificates use it: scheme, host, path, query, fragment.
fn url(text: &str) -> Value {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest))
            if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
        {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => (String::new(), rest),
    };
    let force_query = rest.ends_with('?') && rest.matches('?').count() == 1;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut opaque, mut host, mut path, mut user) = ("", "", rest, Value::NULL);
    if let Some(authority) = rest.strip_prefix("//") {
        let end = authority.find('/').unwrap_or(authority.len());
        (host, path) = authority.split_at_checked(end).unwrap_or((authority, ""));
        if let Some((_, after)) = host.rsplit_once('@') {
            // Go's user information has no exported field.
            (host, user) = (after, Value::empty_map());
        }
    } else if !scheme.is_empty() && !rest.starts_with('/') {
        (opaque, path) = (rest, "");
    }
    Value::build()
        .member("Scheme", scheme)
        .member("Opaque", opaque)
        .member("User", user)
        .member("Host", host)
        .member("Path", path)
        .member("RawPath", "")
        .member("OmitHost", false)
        .member("ForceQuery", force_query)
        .member("RawQuery", query)
        .member("Fragment", fragment)
        .member("RawFragment", "")
        .finish()
}
