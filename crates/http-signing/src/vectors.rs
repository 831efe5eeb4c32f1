//! Test vectors: those of RFC 9421, appendix B, for the supported algorithms, and the README's example.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http::request::Parts;

use super::base::signature_base;
use super::digest::check_digest;
use super::fields::entries;
use super::key::Key;
use super::signer::Signer;

/// Appendix B.1.4.
pub(super) const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----";
pub(super) const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----";

/// Appendix B.1.5.
const SHARED_SECRET: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

const BODY: &str = r#"{"hello": "world"}"#;

/// The request of appendix B.2 with one of its signatures.
fn signed(input: &str, signature: &str) -> Parts {
    let request = Request::post("/foo?param=Value&Pet=dog")
        .header("Host", "example.com")
        .header("Date", "Tue, 20 Apr 2021 02:07:55 GMT")
        .header("Content-Type", "application/json")
        .header(
            "Content-Digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        )
        .header("Content-Length", "18")
        .header("Signature-Input", input)
        .header("Signature", signature);
    request.body(()).unwrap().into_parts().0
}

/// Checks that signature base and signature equal those of the RFC.
fn check(key: &Key, components: &[&str], params: &str, signature: &str, base: &str) {
    let head = signed(&format!("sig-b2={params}"), &format!("sig-b2=:{signature}:"));
    let entries = entries(&head.headers).unwrap();
    let line = entries[0].params();
    assert_eq!(line, params, "parameters keep their order");
    let made = signature_base(&head, components.iter().copied(), &line).unwrap();
    assert_eq!(made, base);
    assert!(key.verifies(made.as_bytes(), &entries[0].signature));
    assert_eq!(STANDARD.encode(key.sign(made.as_bytes()).unwrap()), signature);
    assert!(!key.verifies(format!("{made}\n").as_bytes(), &entries[0].signature));
}

#[test]
fn b_2_5_hmac_sha256() {
    check(
        &Key::from_secret("test-shared-secret".to_owned(), &STANDARD.decode(SHARED_SECRET).unwrap()).unwrap(),
        &["date", "@authority", "content-type"],
        r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
        r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
    );
}

#[test]
fn b_2_6_ed25519() {
    check(
        &Key::new("test-key-ed25519", PRIVATE_KEY).unwrap(),
        &["date", "@method", "@path", "@authority", "content-type", "content-length"],
        r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
    );
}

#[test]
fn the_public_key_verifies_and_does_not_sign() {
    let (private, public) = (Key::new("a", PRIVATE_KEY).unwrap(), Key::new("a", PUBLIC_KEY).unwrap());
    let signature = private.sign(b"message").unwrap();
    assert!(public.verifies(b"message", &signature));
    assert!(!public.verifies(b"another", &signature));
    assert!(!public.verifies(b"message", &signature[..63]));
    assert_eq!(public.sign(b"message"), None);
}

#[test]
fn the_digest_of_the_requests_body() {
    let head = signed("", "");
    assert!(check_digest(&head.headers, BODY.as_bytes()).is_ok());
    assert!(check_digest(&head.headers, BODY.replace("world", "World").as_bytes()).is_err());
}

#[test]
fn the_example_of_the_documentation() {
    const CREATED: u64 = 1_795_470_000;
    let page = include_str!("../README.md");
    let url = "http://data-api:8006/devices/query?limit=5";
    let request = Request::post(url).header("content-type", "application/json");
    let mut head = request.body(()).unwrap().into_parts().0;
    let signer = Signer::new(Key::new("ai-code-executor", "an example; make one with openssl rand").unwrap());
    let signer = signer.unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(CREATED);
    signer
        .sign_at(time, "FZFBQIhhvAPjxzhyj7n2Vw", &mut head, br#"{"domain": "sensor"}"#, "1b4e28ba")
        .unwrap();

    let params = signer.params(&head, CREATED, "FZFBQIhhvAPjxzhyj7n2Vw");
    let base = signature_base(&head, super::covered(&head), &params).unwrap();
    assert!(page.contains(&base), "not on the page:\n{base}");
    for (name, value) in &head.headers {
        let line = format!("{name}: {}\n", value.to_str().unwrap());
        assert!(page.contains(&line), "not on the page: {line}");
    }
}
