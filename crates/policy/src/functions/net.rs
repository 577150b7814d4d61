//! `is_external_url`: whether a URL leads out of the private networks.
use super::{Entry, ONE_STRING, Outcome};
use sigward_document::Value;
use sigward_jmespath::{Call, FunctionError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const FUNCTIONS: &[Entry] = &[("is_external_url", ONE_STRING, is_external_url)];

/// `is_external_url('http://10.0.0.1/')` → `false`: a host name is looked up, and is external when none of its
/// addresses is private or of this machine.
///
/// COMPAT: kyverno 1.19: link-local addresses are external there and here, so that a policy that denies external URLs
/// denies them; test: link_local_addresses_are_external
fn is_external_url(call: &mut Call<'_, '_, '_>) -> Outcome {
    let url = call.string(0)?;
    let host =
        host_of(url).map_err(|cause| FunctionError::message(format!("parse {url:?}: {cause}")))?;
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Value::bool(!is_internal(address)));
    }
    if host.is_empty() {
        return Err(FunctionError::message("lookup : no such host"));
    }
    let addresses = call.addresses(host)?.map_err(FunctionError::message)?;
    Ok(Value::bool(!addresses.into_iter().any(is_internal)))
}

/// Go's `IsLoopback` and `IsPrivate`: RFC 1918 and RFC 4193; an IPv4 address in IPv6 clothes is IPv4.
fn is_internal(address: IpAddr) -> bool {
    let v4 = |v4: Ipv4Addr| v4.is_loopback() || v4.is_private();
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => v4(address),
            None => address == Ipv6Addr::LOCALHOST || address.is_unique_local(),
        },
    }
}

/// The host of a URL, without port, user and brackets; empty when the URL has none.
///
/// SPEC: RFC 3986 3.2, with the texts of Go's `net/url` for what users get wrong.
fn host_of(url: &str) -> Result<&str, String> {
    if url.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Err("net/url: invalid control character in URL".into());
    }
    let url = url.split('#').next().unwrap_or_default();
    let scheme_end =
        url.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    let rest = match scheme_end.and_then(|at| url.split_at_checked(at)) {
        Some(("", rest)) if rest.starts_with(':') => return Err("missing protocol scheme".into()),
        Some((scheme, rest))
            if rest.starts_with(':') && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            rest.get(1..).unwrap_or_default()
        }
        _ => url,
    };
    escapes(rest)?;
    let Some(authority) = rest.strip_prefix("//") else { return Ok("") };
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = if let Some(literal) = host.strip_prefix('[') {
        let (address, port) = literal.split_once(']').ok_or("missing ']' in host")?;
        // A zone names an interface, not an address.
        (address.split('%').next().unwrap_or_default(), port)
    } else {
        host.find(':').and_then(|at| host.split_at_checked(at)).unwrap_or((host, ""))
    };
    if !port.is_empty()
        && !port.strip_prefix(':').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(format!("invalid port {port:?} after host"));
    }
    match host
        .chars()
        .find(|c| matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
    {
        Some(c) => Err(format!("invalid character {:?} in host name", c.to_string())),
        None => Ok(host),
    }
}

/// Each `%` starts two hexadecimal digits; Go looks before it splits.
fn escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let valid =
            text.get(at + 1..at + 3).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if !valid {
            let shown: String = text.get(at..).unwrap_or_default().chars().take(3).collect();
            return Err(format!("invalid URL escape {shown:?}"));
        }
    }
    Ok(())
}
