//! Resolves names to addresses that requests may be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::vec;

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::lookup_host;
use tower::Service;

/// Metadata services outside the link-local range, which give the machine's credentials to any program on it.
const METADATA: [IpAddr; 6] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Resolves a name once for each connection and connects to that result, so that a second lookup cannot change it.
///
/// An IP address in a URL does not pass through here and is not restricted: the operator has written it explicitly.
///
/// It is not asked about an address that stands in a URL: an operator who writes it there means it.
#[derive(Clone, Copy, Debug)]
pub(in crate::tools) struct Resolver;

/// Why a name has no usable address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::tools) enum Unresolved {
    #[error("the name was not found")]
    NotFound,
    #[error("the name resolves to link-local, metadata or multicast addresses only")]
    NotAllowed,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = BoxFuture<'static, Result<Self::Response, Unresolved>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            // The connector sets the port.
            let found = lookup_host((name.as_str(), 0)).await.map_err(|_| Unresolved::NotFound)?;
            allowed(found.collect())
        })
    }
}

/// Removes addresses that are not allowed. They make the answer suspect, but the rest stays usable: home routers add
/// link-local addresses to ordinary answers.
fn allowed(found: Vec<SocketAddr>) -> Result<vec::IntoIter<SocketAddr>, Unresolved> {
    if found.is_empty() {
        return Err(Unresolved::NotFound);
    }
    let allowed: Vec<_> = found.into_iter().filter(|address| is_allowed(address.ip())).collect();
    if allowed.is_empty() { Err(Unresolved::NotAllowed) } else { Ok(allowed.into_iter()) }
}

fn is_allowed(address: IpAddr) -> bool {
    let unusable = match address {
        IpAddr::V4(address) => {
            let is_this_network = address.octets()[0] == 0;
            address.is_link_local() || is_this_network || address.is_multicast() || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            let is_unusual = address.is_unspecified()
                || address.is_multicast()
                || is_local_nat64(address)
                || is_of_instance(address);
            let inner = embedded(address).map(IpAddr::V4);
            inner.map_or(is_unusual || address.is_unicast_link_local(), |inner| !is_allowed(inner))
        }
    };
    !unusable && !METADATA.contains(&address)
}

/// Returns the IPv4 address that an IPv6 address stands for: mapped, compatible, translated, NAT64 or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let prefix: [u16; 6] = std::array::from_fn(|index| address.segments()[index]);
    let is_plain = address.is_loopback() || address.is_unspecified();
    let [a, b, c, d] = match prefix {
        [0x2002, ..] => [octets[2], octets[3], octets[4], octets[5]],
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] if !is_plain => {
            [octets[12], octets[13], octets[14], octets[15]]
        }
        _ => return None,
    };
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Returns whether the address is in `fd00:ec2::/32`, where AWS serves instance metadata, DNS and time.
fn is_of_instance(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0xfd00, 0xec2, ..])
}

/// Returns whether the address is in `64:ff9b:1::/48`. The position of the IPv4 address in it depends on the network
/// (RFC 8215), so it cannot be checked.
fn is_local_nat64(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x64, 0xff9b, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_metadata_and_multicast_addresses_are_refused() {
        let refused = [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd00:ec2:ffff::1",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "::ffff:0:169.254.169.254",
            "64:ff9b::6464:64c8",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::ffff:0.0.0.0",
            "::ffff:100.100.100.200",
            "2002:a9fe:a9fe::1",
            "2002:a9fe:a9fe:ffff::",
            "64:ff9b:1::1",
            "64:ff9b:1:a9fe:a9:fe00::",
            "192.0.0.192",
            "::ffff:192.0.0.192",
        ];
        for address in refused {
            assert!(!is_allowed(address.parse().unwrap()), "{address}");
        }
        let taken = [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "93.184.216.34",
            "169.253.255.255",
            "::1",
            "fd00::1",
            "fd00:ec3::254",
            "fd00:42::43",
            "2606:2800::1",
            "::ffff:127.0.0.1",
            "64:ff9b::5db8:d822",
            "2002:5db8:d822::1",
            "64:ff9b:2::1",
            "192.0.0.1",
            "fec0::1",
        ];
        for address in taken {
            assert!(is_allowed(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn refused_addresses_are_left_out() {
        let socket = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
        let mixed = allowed(vec![socket("fe80::1"), socket("10.0.0.1")]).unwrap();
        assert_eq!(mixed.collect::<Vec<_>>(), [socket("10.0.0.1")]);
        assert_eq!(allowed(vec![socket("169.254.169.254")]).unwrap_err(), Unresolved::NotAllowed);
        assert_eq!(allowed(Vec::new()).unwrap_err(), Unresolved::NotFound);
    }

    #[tokio::test]
    async fn the_system_is_asked() {
        let mut resolver = Resolver;
        let mut ask = |name: &str| resolver.call(name.parse().unwrap());
        assert!(ask("localhost").await.unwrap().all(|address| address.ip().is_loopback()));
        assert_eq!(ask("no-such-host.invalid").await.unwrap_err(), Unresolved::NotFound);
        // The system resolver reads these legacy notations as addresses; URL parsers read them as names.
        assert_eq!(ask("0xa9fea9fe").await.unwrap_err(), Unresolved::NotAllowed);
        assert_eq!(ask("2852039166").await.unwrap_err(), Unresolved::NotAllowed);
    }
}
