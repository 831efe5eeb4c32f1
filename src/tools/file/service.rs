//! Parses `[services.name]`.

use std::path::Path;
use std::sync::Arc;

use http::HeaderMap;
use http::header::HeaderValue;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Surroundings;
use super::table::{Table, Text};
use crate::tools::http::{BaseUrl, Service, header_name};

/// Returns the service, or `None` after reporting problems. Any problem refuses the whole file.
pub(super) fn read(name: &str, table: &Table<'_>, surroundings: Surroundings<'_>) -> Option<Service> {
    table.check_keys(&["url", "headers", "ca_file", "signed"]);
    let headers = table.table("headers").map(|table| headers(&table, surroundings)).unwrap_or_default();
    let roots = table.text("ca_file").and_then(|path| roots(table, &path, surroundings));
    let signed = table.switch("signed").unwrap_or(true);
    if !table.has("url") {
        table.problem("url", "is missing; set it as in url = \"http://weather.example:8080\"");
    }
    let url = expanded(table, "url", &table.text("url")?, surroundings)?;
    let url = BaseUrl::parse(&url).map_err(|why| table.problem("url", why.to_string())).ok()?;
    Some(Service { name: name.to_owned(), url, headers, roots, signed })
}

pub(super) fn headers(table: &Table<'_>, surroundings: Surroundings<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for key in table.keys() {
        let name = header_name(key).map_err(|why| table.problem(key, why));
        let text = table.text(key).and_then(|text| expanded(table, key, &text, surroundings));
        let (Ok(name), Some(text)) = (name, text) else { continue };
        let Ok(mut value) = HeaderValue::try_from(text) else {
            table.problem(key, "has a control character, which is not allowed in a header");
            continue;
        };
        value.set_sensitive(true);
        if headers.insert(name, value).is_some() {
            table.problem(key, "is given twice; header names ignore case");
        }
    }
    headers
}

pub(super) fn roots(
    table: &Table<'_>,
    path: &Text<'_>,
    surroundings: Surroundings<'_>,
) -> Option<Arc<RootCertStore>> {
    let path = expanded(table, "ca_file", path, surroundings)?;
    let refused = |why: String| table.problem("ca_file", why);
    let content = (surroundings.read)(Path::new(&path))
        .map_err(|error| refused(format!("cannot be read: {error}")))
        .ok()?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&content) {
        let added = certificate.map_err(|error| error.to_string());
        let added = added.and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        added.map_err(|why| refused(format!("has an unusable certificate: {why}"))).ok()?;
    }
    if roots.is_empty() {
        refused("has no certificate; must be PEM, with -----BEGIN CERTIFICATE----- lines".into());
    }
    Some(Arc::new(roots))
}

/// Returns `text` with each `${NAME}` replaced by its value.
pub(super) fn expanded(
    table: &Table<'_>,
    key: &str,
    text: &Text<'_>,
    surroundings: Surroundings<'_>,
) -> Option<String> {
    let mut value = String::new();
    let mut rest = text.text;
    let mut complete = true;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            table.problem_at(text.at, key, "has a '${' without a closing '}'");
            return None;
        };
        value.push_str(before);
        let variable = (surroundings.variable)(name).filter(|value| !value.is_empty());
        if variable.is_none() {
            complete = false;
            table.problem_at(text.at, key, format!("the environment variable '{name}' is not set or empty"));
        }
        value.push_str(&variable.unwrap_or_default());
        rest = after;
    }
    value.push_str(rest);
    complete.then_some(value)
}
