//! Which addresses may be connected to: public ones, and those in the networks that the operator granted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 networks that are no part of the public internet (IANA's registry of special-purpose addresses), and the one
/// public address under which a cloud serves its machines their credentials.
const SPECIAL_V4: &[(Ipv4Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), "it means this host"),
    (v4([10, 0, 0, 0], 8), "it is in a private network"),
    (v4([100, 64, 0, 0], 10), "it is shared by a provider's customers"),
    (v4([127, 0, 0, 0], 8), "it is the host itself"),
    (v4([168, 63, 129, 16], 32), "it serves a cloud's metadata"),
    (v4([169, 254, 0, 0], 16), "it is link-local, as a cloud's metadata are"),
    (v4([172, 16, 0, 0], 12), "it is in a private network"),
    (v4([192, 0, 0, 0], 24), "it is reserved for protocols"),
    (v4([192, 0, 2, 0], 24), "it is for documentation"),
    (v4([192, 88, 99, 0], 24), "it is a relay between IPv4 and IPv6"),
    (v4([192, 168, 0, 0], 16), "it is in a private network"),
    (v4([198, 18, 0, 0], 15), "it is for benchmarks"),
    (v4([198, 51, 100, 0], 24), "it is for documentation"),
    (v4([203, 0, 113, 0], 24), "it is for documentation"),
    (v4([224, 0, 0, 0], 4), "it is multicast"),
    (v4([255, 255, 255, 255], 32), "it is broadcast"),
    (v4([240, 0, 0, 0], 4), "it is reserved"),
];

/// The same for IPv6. Whatever is outside of [`UNICAST`] is refused besides; these have better names.
const SPECIAL_V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "it means this host"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "it is the host itself"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "it leads into a private IPv4 network"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "it is reserved for protocols such as Teredo"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "it is for documentation"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "it is for documentation"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "it is in a private network"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "it is link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "it is site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "it is multicast"),
];

/// All of IPv6 that the public internet uses today.
const UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// Translates to any IPv4 address (RFC 6052).
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// Tunnels to the IPv4 address that it holds (RFC 3056).
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

/// Says why an address may not be connected to, and what would allow it; `None` if it may.
pub(super) fn refusal(address: IpAddr, networks: &[IpNet]) -> Option<String> {
    // An IPv4 address that is written as an IPv6 one is the IPv4 address: that is where the system connects to.
    let address = address.to_canonical();
    if networks.iter().any(|network| network.contains(&address)) {
        return None;
    }
    let why = match address {
        IpAddr::V4(address) => special_v4(address)?.to_owned(),
        IpAddr::V6(address) => special_v6(address)?,
    };
    Some(format!(
        "{address} is not public: {why}; permissions.http.networks must hold {} to allow it",
        IpNet::from(address)
    ))
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    SPECIAL_V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, why)| *why)
}

fn special_v6(address: Ipv6Addr) -> Option<String> {
    if let Some(inner) = embedded(address) {
        if let Some(why) = special_v4(inner) {
            return Some(format!("it leads to {inner}, and {why}"));
        }
        if NAT64.contains(&address) {
            return None;
        }
    }
    match SPECIAL_V6.iter().find(|(network, _)| network.contains(&address)) {
        Some((_, why)) => Some((*why).to_owned()),
        None if UNICAST.contains(&address) => None,
        None => Some("it is outside of what the public internet uses".to_owned()),
    }
}

/// The IPv4 address to which packets for an IPv6 address end up going. Teredo's addresses are all refused.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., e, f, g, h] = address.segments();
    let [_, _, a, b, c, d, ..] = address.octets();
    let last = || {
        let ([g1, g2], [h1, h2]) = (g.to_be_bytes(), h.to_be_bytes());
        Ipv4Addr::new(g1, g2, h1, h2)
    };
    if SIX_TO_FOUR.contains(&address) {
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    // ISATAP (RFC 5214) marks the half of the address that a host chooses.
    let isatap = matches!(e, 0 | 0x200) && f == 0x5efe;
    let compatible = address.segments()[..6] == [0; 6] && g != 0;
    (NAT64.contains(&address) || isatap || compatible).then(last)
}

#[cfg(test)]
mod tests {
    use super::refusal;

    fn check(address: &str, networks: &[&str], says: Option<&str>) {
        let networks: Vec<_> = networks.iter().map(|network| network.parse().unwrap()).collect();
        let refusal = refusal(address.parse().unwrap(), &networks);
        match (says, &refusal) {
            (None, None) => {}
            (Some(says), Some(text)) if text.contains(says) => {}
            _ => panic!("{address}: expected {says:?}, got {refusal:?}"),
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2400:3200::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            check(address, &[], None);
        }
    }

    #[test]
    fn every_other_address_is_refused() {
        for (address, says) in [
            ("0.0.0.0", "this host"),
            ("0.255.255.255", "this host"),
            ("10.255.255.255", "private"),
            ("100.64.0.0", "shared"),
            ("100.100.100.200", "shared"),
            ("127.0.0.1", "host itself"),
            ("127.255.255.255", "host itself"),
            ("168.63.129.16", "metadata"),
            ("169.254.169.254", "metadata"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.192", "protocols"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "relay"),
            ("192.168.0.1", "private"),
            ("198.19.255.255", "benchmarks"),
            ("198.51.100.1", "documentation"),
            ("203.0.113.1", "documentation"),
            ("224.0.0.1", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "this host"),
            ("::1", "host itself"),
            ("::ffff:127.0.0.1", "127.0.0.1 is not public"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::10.0.0.1", "leads to 10.0.0.1"),
            ("::1.1.1.1", "outside"),
            ("64:ff9b::a00:1", "leads to 10.0.0.1"),
            ("64:ff9b::a9fe:a9fe", "leads to 169.254.169.254"),
            ("64:ff9b:1::1", "private IPv4"),
            ("100::1", "outside"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
            ("2001:2::1", "protocols"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::1", "leads to 127.0.0.1"),
            ("2002:a9fe:a9fe::", "leads to 169.254.169.254"),
            ("2600::5efe:192.168.0.1", "leads to 192.168.0.1"),
            ("2600::200:5efe:10.0.0.1", "leads to 10.0.0.1"),
            ("3fff::1", "documentation"),
            ("5f00::1", "outside"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ] {
            check(address, &[], Some(says));
        }
    }

    #[test]
    fn granted_networks_are_allowed_in_every_form() {
        check("10.1.2.3", &["10.1.0.0/16"], None);
        check("::ffff:10.1.2.3", &["10.1.0.0/16"], None);
        check("::1", &["::1/128"], None);
        check("10.2.0.1", &["10.1.0.0/16", "::/0"], Some("10.2.0.1/32"));
        check("64:ff9b::a01:203", &["10.1.0.0/16"], Some("64:ff9b::a01:203/128"));
    }
}
