//! Which addresses may be asked: a registry must not make us knock at doors behind our own walls.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far away an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// This machine.
    Loopback,
    /// This link: where metadata services of clouds live. Also multicast and reserved ranges.
    LinkLocal,
    /// This organisation.
    Private,
    /// Everybody.
    Public,
}

/// Tells how far away an address is; IPv4 addresses inside IPv6 ones count as what they are.
pub(crate) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [first, second, third, _] = address.octets();
    if address.is_loopback() {
        Reach::Loopback
    } else if address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || first == 0
        || first >= 240
    {
        Reach::LinkLocal
    } else if address.is_private()
        || (first == 100 && (64..128).contains(&second)) // SPEC: RFC 6598, carrier-grade NAT
        || (first == 192 && second == 0 && third == 0) // SPEC: RFC 6890
        || (first == 198 && (18..20).contains(&second))
    // SPEC: RFC 2544
    {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    if address.is_loopback() {
        Reach::Loopback
    } else if let Some(mapped) = address.to_ipv4_mapped() {
        reach_v4(mapped)
    } else if (first, second, third, fourth, fifth, sixth) == (0x64, 0xff9b, 0, 0, 0, 0) {
        // SPEC: RFC 6052, NAT64: the last four bytes are the IPv4 address that is reached.
        embedded(seventh, eighth)
    } else if first == 0x2002 {
        // SPEC: RFC 3056, 6to4.
        embedded(second, third)
    } else if address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        // AWS's metadata service over IPv6.
        || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
    {
        Reach::LinkLocal
    } else if address.is_unique_local() || first & 0xffc0 == 0xfec0 {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The host without brackets and port: `[::1]:5000` is `::1`.
pub(crate) fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// The address that a host is written as, when it is one.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host_name(host).parse().ok()
}

/// True for hosts that can only be this machine: plain HTTP is tried there without a switch.
///
/// COMPAT: cosign 3.1 also tries it for private ranges and `.local`; here only loopback counts,
/// the rest needs the switch; test: `plain_http_needs_a_switch_beyond_loopback`.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host_name(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    let under = |text: &str| {
        // SPEC: RFC 6761 section 6.3: every name under `localhost` is loopback.
        text.len() > 10
            && text.get(text.len() - 10..).is_some_and(|end| end.eq_ignore_ascii_case(".localhost"))
    };
    name.eq_ignore_ascii_case("localhost")
        || under(name)
        || literal(host).is_some_and(|address| reach(address) == Reach::Loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: Reach) {
        assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
    }

    #[test]
    fn metadata_services_are_out_of_reach_in_every_spelling() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "255.255.255.255",
        ] {
            check(address, Reach::LinkLocal);
        }
    }

    #[test]
    fn private_ranges_are_told_from_public_ones() {
        for address in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1"] {
            check(address, Reach::Private);
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1"] {
            check(address, Reach::Public);
        }
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            check(address, Reach::Loopback);
        }
    }

    #[test]
    fn only_names_that_cannot_lie_elsewhere_are_loopback() {
        for host in
            ["localhost", "localhost:5000", "a.localhost", "127.0.0.1:1", "[::1]:5", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example", "10.0.0.1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
