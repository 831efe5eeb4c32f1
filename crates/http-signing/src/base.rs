//! The signature base: the text that is signed, RFC 9421 section 2.

use std::borrow::Cow;

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

/// Why the signature base of a request cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// Neither the URI nor a `host` header names the authority.
    #[error(
        "the request names no authority; it needs a full URI or one `host` header of the form `name:port`"
    )]
    NoAuthority,
    /// URI and `host` header differ, so it is unknown which one the service uses.
    #[error("the request's URI and its `host` header name different authorities")]
    Authorities,
    /// The signature covers a header that the request does not have.
    #[error("the request has no header `{0}`")]
    NoHeader(String),
    /// A derived component that this crate does not support.
    #[error("component `{0}` is not supported")]
    Unknown(String),
    /// A component's value is not ASCII, as the signature base must be.
    #[error("component `{0}` is not ASCII text")]
    NotText(String),
}

/// Returns the signature base of `head` over `components`. `params` is the value of `@signature-params`.
pub(super) fn signature_base<'a>(
    head: &Parts,
    components: impl IntoIterator<Item = &'a str>,
    params: &str,
) -> Result<String, ComponentError> {
    let mut base = String::with_capacity(1024);
    for component in components {
        let value = value(head, component)?;
        base.extend(["\"", component, "\": ", &value, "\n"]);
    }
    base.extend(["\"@signature-params\": ", params]);
    Ok(base)
}

/// Returns the value of a component.
pub(super) fn value<'a>(head: &'a Parts, component: &str) -> Result<Cow<'a, str>, ComponentError> {
    let value = match component {
        "@method" => Cow::Borrowed(head.method.as_str()),
        "@authority" => Cow::Owned(authority(head)?),
        "@path" => Cow::Borrowed(if head.uri.path().is_empty() { "/" } else { head.uri.path() }),
        "@query" => head.uri.query().map_or(Cow::Borrowed("?"), |query| Cow::Owned(format!("?{query}"))),
        derived if derived.starts_with('@') => return Err(ComponentError::Unknown(derived.to_owned())),
        name => field(head, name)?,
    };
    if value.is_ascii() { Ok(value) } else { Err(ComponentError::NotText(component.to_owned())) }
}

/// Returns the host, and the port unless it is the scheme's default. A server does not see the scheme, but clients omit
/// the default port.
fn authority(head: &Parts) -> Result<String, ComponentError> {
    let host = host(head)?;
    let Some(target) = head.uri.authority() else { return host.ok_or(ComponentError::NoAuthority) };
    let target = normal(target, head.uri.scheme_str());
    if host.is_none_or(|host| host == target) { Ok(target) } else { Err(ComponentError::Authorities) }
}

fn host(head: &Parts) -> Result<Option<String>, ComponentError> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    match host {
        Some(host) if hosts.next().is_none() && !host.as_str().contains('@') => {
            Ok(Some(normal(&host, head.uri.scheme_str())))
        }
        _ => Err(ComponentError::NoAuthority),
    }
}

fn normal(authority: &Authority, scheme: Option<&str>) -> String {
    let host = authority.host().to_ascii_lowercase();
    match (scheme, authority.port_u16()) {
        (_, None) | (Some("http"), Some(80)) | (Some("https"), Some(443)) => host,
        (_, Some(port)) => format!("{host}:{port}"),
    }
}

/// Returns the lines of a header joined into one value, RFC 9421 section 2.1.
fn field<'a>(head: &'a Parts, name: &str) -> Result<Cow<'a, str>, ComponentError> {
    let lines = head.headers.get_all(name).iter().map(|line| line.to_str().map(str::trim));
    let lines: Vec<_> =
        lines.collect::<Result<_, _>>().map_err(|_| ComponentError::NotText(name.to_owned()))?;
    match lines[..] {
        [] => Err(ComponentError::NoHeader(name.to_owned())),
        [line] => Ok(Cow::Borrowed(line)),
        _ => Ok(Cow::Owned(lines.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(uri: &str, hosts: &[&str]) -> Parts {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_authority_is_lower_case_and_without_the_schemes_port() {
        let authority = |value: &str| Ok(value.to_owned());
        let (none, two) = (Err(ComponentError::NoAuthority), Err(ComponentError::Authorities));
        let cases = [
            ("http://Data-API:8006/x", &[][..], authority("data-api:8006")),
            ("http://data-api:80/", &[], authority("data-api")),
            ("https://data-api:443/", &[], authority("data-api")),
            ("https://data-api:80/", &[], authority("data-api:80")),
            ("https://user:secret@data-api/", &[], authority("data-api")),
            ("http://[2001:DB8::1]:8006/", &[], authority("[2001:db8::1]:8006")),
            ("/x", &["Data-API:8006"], authority("data-api:8006")),
            ("/x", &["data-api:80"], authority("data-api:80")),
            ("http://data-api/x", &["data-api:80"], authority("data-api")),
            ("http://data-api/x", &["other"], two.clone()),
            ("http://data-api:8006/x", &["data-api"], two),
            ("/x", &[], none.clone()),
            ("/x", &["a", "a"], none.clone()),
            ("/x", &[""], none.clone()),
            ("/x", &["a b"], none.clone()),
            ("/x", &["user@a"], none.clone()),
            ("/x", &["a,b/"], none),
        ];
        for (uri, hosts, expected) in cases {
            assert_eq!(super::authority(&head(uri, hosts)), expected, "{uri} {hosts:?}");
        }
    }

    #[test]
    fn path_and_query_are_as_they_are_sent() {
        let cases = [
            ("http://a", "/", "?"),
            ("http://a?b", "/", "?b"),
            ("/a%2Fb/../c?", "/a%2Fb/../c", "?"),
            ("/A?b=c%20d&&b=?e", "/A", "?b=c%20d&&b=?e"),
        ];
        for (uri, path, query) in cases {
            let head = head(uri, &[]);
            assert_eq!(value(&head, "@path").unwrap(), path, "{uri}");
            assert_eq!(value(&head, "@query").unwrap(), query, "{uri}");
        }
    }

    #[test]
    fn lines_of_a_header_are_joined() {
        let mut head = head("/", &[]);
        let cases: [(&[&[u8]], _); 6] = [
            (&[b"one"], Ok("one")),
            (&[b" one\t", b"", b"two , 2"], Ok("one, , two , 2")),
            (&[b""], Ok("")),
            (&[], Err(ComponentError::NoHeader("x-a".to_owned()))),
            (&["grün".as_bytes()], Err(ComponentError::NotText("x-a".to_owned()))),
            (&[b"a", b"\xff"], Err(ComponentError::NotText("x-a".to_owned()))),
        ];
        for (lines, expected) in cases {
            head.headers.clear();
            for line in lines {
                head.headers.append("x-a", http::HeaderValue::from_bytes(line).unwrap());
            }
            assert_eq!(value(&head, "x-a"), expected.map(Cow::Borrowed), "{lines:?}");
        }
    }

    #[test]
    fn unsupported_components_are_named() {
        for component in ["@status", "@target-uri", "@query-param", "@", "@signature-params"] {
            let expected = ComponentError::Unknown(component.to_owned());
            assert_eq!(value(&head("/", &[]), component), Err(expected), "{component}");
        }
    }
}
