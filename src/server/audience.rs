//! Checks the host that a request is for and the web page that sends it. A web page that a developer opens must not
//! run programs here, even if a DNS name of the attacker resolves to this machine (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version};

use super::refusal::Refusal;

/// Hosts and origins whose requests are answered.
pub(super) struct Audience {
    /// `None` allows every host.
    hosts: Option<Vec<Host>>,
    origins: Vec<String>,
}

/// A host without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Audience {
    /// Builds the rules for a service that listens on `bound`. Names of the loopback interface and `bound` itself are
    /// always allowed hosts. If no other host is configured and other machines can reach the service, its names are
    /// unknown, so every host is allowed.
    pub(super) fn new(bound: IpAddr, allowed_hosts: &[String], allowed_origins: &[String]) -> Self {
        let is_open = allowed_hosts.is_empty() && !bound.to_canonical().is_loopback();
        let allowed = allowed_hosts.iter().filter_map(|host| Host::parse(host)).map(|(host, _)| host);
        let hosts = (!is_open).then(|| allowed.chain([Host::Address(bound.to_canonical())]).collect());
        Self { hosts, origins: allowed_origins.to_vec() }
    }

    /// Returns whether requests for any host are allowed.
    pub(super) fn is_open(&self) -> bool {
        self.hosts.is_none()
    }

    /// Accepts a request if its host is allowed, and its origin is allowed or absent.
    pub(super) fn check(&self, request: &Request) -> Result<(), Refusal> {
        let host = host_of(request)?;
        if let (Some(hosts), Some((host, _))) = (&self.hosts, &host)
            && !host.is_loopback()
            && !hosts.contains(host)
        {
            return Err(Refusal::misdirected_host());
        }
        let mut origins = request.headers().get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.may_call(origin, host.as_ref()) => Ok(()),
            _ => Err(Refusal::foreign_origin()),
        }
    }

    /// Returns whether pages from `origin` may call: allowed origins, and the service's own pages, which have the
    /// host and port of the request.
    fn may_call(&self, origin: &HeaderValue, host: Option<&(Host, Option<u16>)>) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        if self.origins.iter().any(|allowed| allowed == origin) {
            return true;
        }
        let (scheme, authority) = origin.split_once("://").unwrap_or_default();
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        let with_port = |(host, port): (Host, Option<u16>)| (host, port.unwrap_or(default_port));
        let own = host.cloned().map(with_port);
        own.is_some() && Host::parse(authority).map(with_port) == own
    }
}

/// Returns the host that a request names (RFC 9110, 7.2; RFC 9112, 3.2; RFC 9113, 8.3.1). It must name exactly one.
/// `None` for an HTTP/1.0 request without a host, which no browser sends.
fn host_of(request: &Request) -> Result<Option<(Host, Option<u16>)>, Refusal> {
    let header = host_header(request.headers())?;
    let (target, header) = (request.uri().authority().map(Authority::as_str), header.as_ref());
    let named = match (target, header) {
        (Some(target), Some((header, port))) => {
            let target = Host::parse(target).ok_or_else(Refusal::bad_host)?;
            // In HTTP/1, the target overrides the `Host` field.
            if request.version() == Version::HTTP_2 && target != (header.clone(), *port) {
                return Err(Refusal::bad_host());
            }
            target
        }
        (Some(target), None) => Host::parse(target).ok_or_else(Refusal::bad_host)?,
        (None, Some(header)) => header.clone(),
        (None, None) if request.version() < Version::HTTP_11 => return Ok(None),
        (None, None) => return Err(Refusal::bad_host()),
    };
    if header.is_none() && request.version() == Version::HTTP_11 {
        return Err(Refusal::bad_host());
    }
    Ok(Some(named))
}

/// Returns the `Host` field. More than one is refused.
fn host_header(headers: &HeaderMap) -> Result<Option<(Host, Option<u16>)>, Refusal> {
    let mut fields = headers.get_all(HOST).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => {
            let host = host.to_str().ok().and_then(Host::parse);
            host.map(Some).ok_or_else(Refusal::bad_host)
        }
        (Some(_), Some(_)) => Err(Refusal::bad_host()),
    }
}

impl Host {
    /// Parses `host`, `host:port`, `[v6]` or `[v6]:port`. An empty host is legal and matches no allowed host.
    fn parse(text: &str) -> Option<(Self, Option<u16>)> {
        if text.is_empty() {
            return Some((Self::Name(String::new()), None));
        }
        let authority: Authority = text.parse().ok().filter(|_| !text.contains('@'))?;
        let host = authority.host();
        let port = match &text[host.len()..] {
            "" | ":" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        if let Some(address) = host.strip_prefix('[') {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            return Some((Self::Address(IpAddr::V6(address).to_canonical()), port));
        }
        // Remove the dot at the end of a fully qualified name.
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = name.parse::<Ipv4Addr>().ok();
        Some((address.map_or(Self::Name(name), |address| Self::Address(address.into())), port))
    }

    /// Returns whether it is a loopback name or address. RFC 6761, 6.3, reserves `localhost` and all names below it.
    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Method;

    use super::*;

    /// Version, target, headers, and the status of the refusal (0 for none).
    type Case<'a> = (Version, &'a str, &'a [(&'a str, &'a str)], u16);

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const LAN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

    /// Returns 0 if the request passes, otherwise the status of the refusal.
    fn check(audience: &Audience, version: Version, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request =
            Request::builder().method(Method::GET).version(version).uri(target).body(Body::empty()).unwrap();
        for (name, value) in headers {
            let name = axum::http::HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        audience.check(&request).map_or_else(|refusal| refusal.status().as_u16(), |()| 0)
    }

    fn allowed() -> [String; 2] {
        ["house.example".into(), "[2001:db8::1]:9000".into()]
    }

    #[test]
    fn only_the_services_own_hosts_are_allowed() {
        let of = |bound, hosts: &[String]| Audience::new(bound, hosts, &[]);
        let (local, named) = (of(LOOPBACK, &[]), of(LOOPBACK, &allowed()));
        let (open, lan, closed) = (of(ANY, &[]), of(LAN, &[]), of(LAN, &allowed()));
        for host in [
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "localhost:",
            "a.b.localhost:8030",
            "127.0.0.1:8030",
            "127.9.9.9",
            "[::1]",
            "[::1]:8030",
            "[::ffff:127.0.0.1]",
        ] {
            for audience in [&local, &named, &open, &lan, &closed] {
                assert_eq!(check(audience, Version::HTTP_11, "/", &[("host", host)]), 0, "{host}");
            }
        }
        for host in [
            "attacker.example",
            "localhost.attacker.example",
            "xlocalhost",
            "192.0.2.8",
            "127.1",
            "2130706433",
            "0.0.0.0",
            "[::]",
            "",
            "[::ffff:192.0.2.8]",
            "house.example.attacker.example",
        ] {
            for audience in [&local, &named, &closed] {
                assert_eq!(check(audience, Version::HTTP_11, "/", &[("host", host)]), 421, "{host}");
            }
            for audience in [&open, &lan] {
                assert_eq!(check(audience, Version::HTTP_11, "/", &[("host", host)]), 0, "{host}");
            }
        }
        for host in ["house.example", "House.Example.:80", "[2001:db8::1]", "[2001:DB8:0::1]:1"] {
            assert_eq!(check(&named, Version::HTTP_11, "/", &[("host", host)]), 0, "{host}");
            assert_eq!(check(&local, Version::HTTP_11, "/", &[("host", host)]), 421, "{host}");
        }
        assert_eq!(check(&closed, Version::HTTP_11, "/", &[("host", "192.0.2.7:8030")]), 0);
        assert_eq!(check(&named, Version::HTTP_11, "/", &[("host", "192.0.2.7")]), 421);
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let local = Audience::new(LOOPBACK, &[], &[]);
        let (good, evil) = (("host", "localhost"), ("host", "attacker.example"));
        let (v1, v11, v2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        let cases: &[Case<'_>] = &[
            (v11, "/", &[], 400),
            (v1, "/", &[], 0),
            (v1, "/", &[evil], 421),
            (v1, "/", &[good, good], 400),
            (v11, "/", &[good, good], 400),
            (v11, "/", &[good, evil], 400),
            (v11, "/", &[("host", "local host")], 400),
            (v11, "/", &[("host", "localhost:x")], 400),
            (v11, "/", &[("host", "localhost:99999")], 400),
            (v11, "/", &[("host", "localhost:1:2")], 400),
            (v11, "/", &[("host", "user@localhost")], 400),
            (v11, "/", &[("host", "localhost/")], 400),
            (v11, "/", &[("host", "[::1")], 400),
            (v11, "/", &[("host", "[::1]x")], 400),
            (v11, "/", &[("host", "[127.0.0.1]")], 400),
            (v11, "/", &[("host", "\u{e9}")], 400),
            // The target decides, but the `Host` field is still required.
            (v11, "http://localhost/", &[evil], 0),
            (v11, "http://attacker.example/", &[good], 421),
            (v11, "http://localhost/", &[], 400),
            (v11, "http://user@localhost/", &[good], 400),
            (v2, "http://localhost/", &[], 0),
            (v2, "http://attacker.example/", &[], 421),
            (v2, "http://localhost/", &[good], 0),
            (v2, "http://localhost/", &[evil], 400),
            (v2, "http://attacker.example/", &[good], 400),
            (v2, "/", &[good], 0),
            (v2, "/", &[evil], 421),
            (v2, "/", &[], 400),
        ];
        for (version, target, headers, status) in cases {
            assert_eq!(check(&local, *version, target, headers), *status, "{version:?} {target} {headers:?}");
        }
    }

    #[test]
    fn only_own_and_configured_origins_are_allowed() {
        let allowed_origins = ["https://home.example".into(), "http://localhost:8030".into()];
        let audience = Audience::new(LOOPBACK, &allowed(), &allowed_origins);
        let cases: &[(&str, &[&str], bool)] = &[
            ("localhost:9000", &["https://home.example"], true),
            ("localhost:9000", &["http://localhost:8030"], true),
            ("localhost:9000", &["http://localhost:9000"], true),
            ("localhost:9000", &["https://localhost:9000"], true),
            ("LocalHost:9000", &["http://localhost:9000"], true),
            ("house.example", &["http://house.example"], true),
            ("house.example", &["https://house.example"], true),
            ("house.example:443", &["https://house.example"], true),
            ("house.example:443", &["http://house.example"], false),
            ("house.example", &["http://house.example:8030"], false),
            ("[::1]:9000", &["http://[::1]:9000"], true),
            ("localhost:9000", &["http://localhost"], false),
            ("localhost:9000", &["http://127.0.0.1:9000"], false),
            ("localhost:9000", &["http://localhost:9001"], false),
            ("localhost:9000", &["http://app.localhost:9000"], false),
            ("localhost:9000", &["http://attacker.example"], false),
            ("localhost:9000", &["https://home.example.attacker.example"], false),
            ("localhost:9000", &["http://home.example"], false),
            ("localhost:9000", &["https://home.example:444"], false),
            ("localhost:9000", &["null"], false),
            ("localhost:9000", &[""], false),
            ("localhost:9000", &["file://localhost:9000"], false),
            ("localhost:9000", &["http://localhost:9000/"], false),
            ("localhost:9000", &["http://user@localhost:9000"], false),
            ("localhost:9000", &["http://localhost:9000 http://attacker.example"], false),
            ("localhost:9000", &["http://localhost:9000", "http://localhost:9000"], false),
            ("localhost:9000", &["http://\u{e9}"], false),
        ];
        for (host, origins, passes) in cases {
            let mut headers = vec![("host", *host)];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            let status = check(&audience, Version::HTTP_11, "/", &headers);
            assert_eq!(status, if *passes { 0 } else { 403 }, "{host} {origins:?}");
        }
        let own = [("origin", "http://localhost:9000")];
        assert_eq!(check(&audience, Version::HTTP_10, "/", &own), 403);
    }
}
