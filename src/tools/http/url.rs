//! The base URL of a service.

use std::net::IpAddr;

use http::Uri;
use http::uri::{Authority, Scheme};

const ACCEPTED: &str = "must be http:// or https://, host, optional :port, optional path";

/// The base URL of a service: `scheme://host[:port][/base path]`, HTTP or HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// Empty, or `/` and segments without a trailing `/`.
    pub(super) path: String,
}

/// Why a text is not a [`BaseUrl`], and what is accepted: the end of a sentence. Without the text, as a password may be in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BaseUrlError(String);

impl BaseUrl {
    /// Parses a URL without user, query and fragment.
    ///
    /// ```
    /// use ai_code_executor::tools::BaseUrl;
    ///
    /// assert!(BaseUrl::parse("https://weather.example:8443/v1").is_ok());
    /// let error = BaseUrl::parse("ftp://weather.example").unwrap_err();
    /// assert!(error.to_string().starts_with("has another scheme"));
    /// ```
    ///
    /// # Errors
    ///
    /// If `text` is not accepted. The message says why, and what is accepted.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        Self::read(text).map_err(BaseUrlError)
    }

    fn read(text: &str) -> Result<Self, String> {
        if text.contains(['?', '#']) {
            return Err(format!("has a query or fragment; {ACCEPTED}"));
        }
        let parts = text.parse::<Uri>().map_err(|_| format!("is not a URL; {ACCEPTED}"))?.into_parts();
        let scheme = parts.scheme.filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
        let scheme = scheme.ok_or_else(|| format!("has another scheme or none; {ACCEPTED}"))?;
        let authority = parts.authority.ok_or_else(|| format!("has no host; {ACCEPTED}"))?;
        if authority.as_str().contains('@') {
            return Err("has a user name; credentials belong in headers".into());
        }
        if authority.host().is_empty() || !has_port_if_any(&authority) {
            return Err(format!("has no host, or a port that is not from 1 to 65535; {ACCEPTED}"));
        }
        let path =
            parts.path_and_query.as_ref().map_or("", |path| path.path().trim_end_matches('/')).to_owned();
        check_path(&path)?;
        Ok(Self { scheme, authority, path })
    }
}

impl BaseUrl {
    pub(crate) fn port(&self) -> u16 {
        let default = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    /// Returns whether the host is a name that must be resolved.
    pub(crate) fn has_name(&self) -> bool {
        let host = self.authority.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.parse::<IpAddr>().is_err()
    }
}

fn has_port_if_any(authority: &Authority) -> bool {
    let Some(rest) = authority.as_str().strip_prefix(authority.host()) else { return false };
    rest.is_empty() || authority.port_u16().is_some_and(|port| port > 0)
}

/// Checks that every server reads `path`, which is empty or starts with `/`, in the same way.
///
/// # Errors
///
/// If it has an ambiguous character, escape or segment.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    if !path.bytes().all(is_plain) {
        return Err("has a character that is not allowed in a path; encode it as %XX".into());
    }
    let is_hex = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !path.split('%').skip(1).all(|after| after.get(..2).is_some_and(is_hex)) {
        return Err("has a % that is not followed by two hexadecimal digits".into());
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    if decoded.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
        return Err("has a segment '.' or '..', which servers resolve to another path".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_host_names_are_recognised() {
        let cases = [
            ("http://data-api:8006", 8006, true),
            ("http://x.example", 80, true),
            ("https://x.example/", 443, true),
            ("https://192.0.2.1", 443, false),
            ("http://[2001:db8::1]:8080", 8080, false),
            // The system resolver reads this as an address, but has to be asked.
            ("http://0x7f000001", 80, true),
        ];
        for (text, port, has_name) in cases {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.port(), url.has_name()), (port, has_name), "{text}");
        }
    }

    #[test]
    fn urls_are_scheme_host_port_and_path() {
        let cases = [
            ("http://data-api:8006", Ok(("http", "data-api:8006", ""))),
            ("https://x.example/", Ok(("https", "x.example", ""))),
            ("HTTPS://x.example:8443/api/v1/", Ok(("https", "x.example:8443", "/api/v1"))),
            ("http://[::1]:80/a%20b", Ok(("http", "[::1]:80", "/a%20b"))),
            ("", Err("not a URL")),
            ("data-api:8006", Err("scheme")),
            ("/mcp", Err("scheme")),
            ("ftp://x", Err("scheme")),
            ("http://", Err("not a URL")),
            ("http://:80", Err("host")),
            ("http://x:0", Err("port")),
            ("http://x:", Err("port")),
            ("http://x:65536", Err("port")),
            ("http://user:s3cret@x", Err("user name")),
            ("http://x?a=b", Err("query")),
            ("http://x/#a", Err("query")),
            ("http://x/a/../b", Err("'..'")),
            ("http://x/a/%2E%2e", Err("'..'")),
            ("http://x/%zz", Err("%")),
            ("http://x/\"", Err("character")),
            ("http://x y", Err("not a URL")),
            ("http://x\r\nHost: y", Err("not a URL")),
        ];
        for (text, expected) in cases {
            match (BaseUrl::read(text), expected) {
                (Ok(url), Ok(parts)) => {
                    assert_eq!((url.scheme.as_str(), url.authority.as_str(), url.path.as_str()), parts);
                }
                (Err(why), Err(words)) => {
                    assert!(why.contains(words) && !why.contains("s3cret"), "{text}: {why}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
