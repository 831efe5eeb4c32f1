//! Puts arguments into their places in a request: path, query, headers or body.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};
use serde_json::{Map, Value};

use super::template::{Template, text_of};
use super::url::BaseUrl;

/// Sizes that servers commonly accept.
const URL_BYTES_MAX: usize = 8 << 10;
const HEADER_BYTES_MAX: usize = 8 << 10;

/// Headers of the connection, or that the executor writes itself.
const RESERVED_HEADERS: [&str; 15] = [
    "accept-encoding",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-execution-id",
];

/// The place of each argument. Arguments without one go into the body, or into the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) path: Template,
    pub(crate) query: Query,
    pub(crate) headers: Vec<(String, HeaderName)>,
}

/// Which arguments go into the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// All arguments without another place.
    Rest,
    /// The named arguments.
    Only(Vec<String>),
}

impl Default for Query {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

/// Returns whether requests with this method carry a body.
pub(crate) fn takes_body(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::DELETE].contains(method)
}

/// Parses the name of a header that an operator may set.
///
/// # Errors
///
/// If the text is no header name, or the header is reserved.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName =
        text.parse().map_err(|_| format!("'{}' is not the name of a header", text.escape_debug()))?;
    let is_reserved = |name: &str| {
        RESERVED_HEADERS.contains(&name) || name.starts_with("signature") || name.starts_with("proxy-")
    };
    if is_reserved(name.as_str()) {
        return Err(format!(
            "'{name}' is written by the executor or belongs to the connection; choose another header"
        ));
    }
    Ok(name)
}

impl Places {
    /// Builds the request, without the headers that all requests of the service share.
    ///
    /// # Errors
    ///
    /// Names the argument that does not fit its place, and says what would.
    pub(super) fn request(
        &self,
        url: &BaseUrl,
        method: &Method,
        arguments: &Map<String, Value>,
    ) -> Result<(Parts, Vec<u8>), String> {
        let mut target = format!("{}{}", url.path, self.path.fill(arguments)?);
        let (query, body) = self.split(arguments);
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query);
        }
        let uri = Uri::builder().scheme(url.scheme.clone()).authority(url.authority.clone());
        let uri = uri.path_and_query(&target).build().ok().filter(|_| target.len() <= URL_BYTES_MAX);
        let uri =
            uri.ok_or_else(|| format!("The arguments make a URL of more than {URL_BYTES_MAX} bytes"))?;
        let (mut head, ()) = Request::new(()).into_parts();
        (head.uri, head.method, head.headers) = (uri, method.clone(), self.headers(arguments)?);
        if takes_body(method) && self.query != Query::Rest {
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok((head, Value::Object(body).to_string().into_bytes()));
        }
        Ok((head, Vec::new()))
    }

    /// Returns the query, and the arguments left for the body.
    fn split(&self, arguments: &Map<String, Value>) -> (String, Map<String, Value>) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut body = Map::new();
        for (name, value) in arguments {
            let has_place = self.path.arguments().any(|argument| argument == name)
                || self.headers.iter().any(|(argument, _)| argument == name);
            if has_place {
                continue;
            }
            match &self.query {
                Query::Only(names) if !names.contains(name) => {
                    body.insert(name.clone(), value.clone());
                }
                _ => append(&mut query, name, value),
            }
        }
        (query.finish(), body)
    }

    fn headers(&self, arguments: &Map<String, Value>) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, header) in &self.headers {
            let Some(value) = arguments.get(name).filter(|value| !value.is_null()) else { continue };
            let text = text_of(value).filter(|text| text.len() <= HEADER_BYTES_MAX);
            let value =
                text.and_then(|text| HeaderValue::try_from(text).ok().filter(|value| value.to_str().is_ok()));
            let value = value.ok_or_else(|| {
                format!(
                    "Argument '{name}' goes into a header: it must be a number or printable ASCII, of at most \
                     {HEADER_BYTES_MAX} bytes"
                )
            })?;
            headers.insert(header.clone(), value);
        }
        Ok(headers)
    }
}

/// Appends an argument to the query. A list repeats the name for each item; null is left out.
fn append(query: &mut form_urlencoded::Serializer<'_, String>, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for item in items.iter().filter(|item| !item.is_null()) {
                query.append_pair(name, &text_of(item).unwrap_or_else(|| item.to_string()));
            }
        }
        value => {
            query.append_pair(name, &text_of(value).unwrap_or_else(|| value.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(query: Query) -> Places {
        let path = Template::parse("/v1/{city}").unwrap();
        Places { path, query, headers: vec![("unit".into(), HeaderName::from_static("x-unit"))] }
    }

    fn request(places: &Places, method: &Method, arguments: Value) -> Result<(Parts, String), String> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let url = BaseUrl::parse("http://weather:80/api").unwrap();
        let (head, body) = places.request(&url, method, &arguments)?;
        Ok((head, String::from_utf8(body).unwrap()))
    }

    #[test]
    fn each_argument_goes_to_its_place() {
        let days = || Query::Only(vec!["days".into()]);
        let all = json!({"city": "Bad Tölz", "unit": "°F".trim_start_matches('°'), "days": [1, 2], "more": {"a": null}});
        let none = json!({"city": "x"});
        let nulls = json!({"city": "x", "unit": null, "days": null, "more": null});
        let odd = json!({"city": "x", "days": {"a": 1}, "unit": 7, "more": "a&b=c d"});
        let path = "http://weather:80/api/v1/";
        let cases = [
            (
                days(),
                Method::POST,
                &all,
                "Bad%20T%C3%B6lz?days=1&days=2",
                Some("F"),
                r#"{"more":{"a":null}}"#,
            ),
            (
                Query::Rest,
                Method::GET,
                &all,
                "Bad%20T%C3%B6lz?days=1&days=2&more=%7B%22a%22%3Anull%7D",
                Some("F"),
                "",
            ),
            (days(), Method::POST, &none, "x", None, "{}"),
            (days(), Method::PUT, &nulls, "x", None, r#"{"more":null}"#),
            (Query::Rest, Method::POST, &nulls, "x", None, ""),
            (days(), Method::DELETE, &none, "x", None, ""),
            (Query::Rest, Method::HEAD, &odd, "x?days=%7B%22a%22%3A1%7D&more=a%26b%3Dc+d", Some("7"), ""),
            (Query::default(), Method::POST, &odd, "x", Some("7"), r#"{"days":{"a":1},"more":"a&b=c d"}"#),
        ];
        for (query, method, arguments, target, unit, body) in cases {
            let (head, found) = request(&places(query), &method, arguments.clone()).unwrap();
            assert_eq!((head.uri.to_string(), found.as_str()), (format!("{path}{target}"), body), "{method}");
            assert_eq!(head.headers.get("x-unit").map(|value| value.to_str().unwrap()), unit, "{method}");
            assert_eq!(head.headers.contains_key(CONTENT_TYPE), !body.is_empty(), "{method}");
        }
    }

    #[test]
    fn an_argument_that_does_not_fit_its_place_is_an_error() {
        let cases = [
            (json!({"city": "x", "unit": "a\r\nb: c"}), "Argument 'unit'"),
            (json!({"city": "x", "unit": "\u{7f}"}), "Argument 'unit'"),
            (json!({"city": "x", "unit": "°"}), "Argument 'unit'"),
            (json!({"city": "x", "unit": [1]}), "Argument 'unit'"),
            (json!({"city": "x", "unit": "x".repeat(9000)}), "Argument 'unit'"),
            (json!({"city": "x", "days": "x".repeat(9000)}), "more than 8192 bytes"),
            (json!({"city": "x".repeat(100_000)}), "more than 8192 bytes"),
            (json!({}), "Argument 'city'"),
        ];
        for (arguments, words) in cases {
            let error = request(&places(Query::Rest), &Method::GET, arguments).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn headers_of_the_connection_and_of_signatures_cannot_be_chosen() {
        for name in ["X-Unit", "authorization", "accept", "user-agent", "x-api-key"] {
            assert!(header_name(name).is_ok(), "{name}");
        }
        let refused = [
            "Host",
            "Content-Length",
            "connection",
            "Transfer-Encoding",
            "Signature",
            "signature-input",
            "Content-Digest",
            "X-Execution-Id",
            "proxy-authorization",
            "TE",
            "",
            "a b",
            "a:b",
            "a\r\nb",
            "ä",
        ];
        for name in refused {
            assert!(header_name(name).is_err(), "{name}");
        }
    }
}
