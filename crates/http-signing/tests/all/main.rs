//! Tests of signed requests: valid ones are accepted, and nothing else is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod forgery;
mod layer;
mod python;
mod tampering;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderValue, Request};
use http_signing::{Key, Signer, Verifier, VerifyError};
use sha2::{Digest, Sha256};

const SECRET: &str = "a secret that both sides know: 0123456789abcdef";
const OTHER_SECRET: &str = "another secret that nobody knows: fedcba987654321";

/// RFC 9421, appendix B.1.4.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
";
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
";

const URL: &str = "http://data-api:8006/devices/query?limit=5&area=hall";
const BODY: &[u8] = br#"{"domain": "sensor"}"#;

fn key(id: &str, secret: &str) -> Key {
    Key::new(id, secret).unwrap()
}

fn signer() -> Signer {
    Signer::new(key("executor-1", SECRET)).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new().key(key("executor-1", SECRET))
}

fn post() -> Parts {
    let request = Request::post(URL).header("content-type", "application/json");
    request.body(()).unwrap().into_parts().0
}

fn signed() -> Parts {
    let mut head = post();
    signer().sign(&mut head, BODY, "execution-7").unwrap();
    head
}

fn header<'a>(head: &'a Parts, name: &str) -> &'a str {
    head.headers[name].to_str().unwrap()
}

fn set(head: &mut Parts, name: &'static str, value: &str) {
    head.headers.insert(name, HeaderValue::from_str(value).unwrap());
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Returns the verifier's error as it is logged.
fn complaint(head: &Parts, body: &[u8]) -> String {
    verifier().verify(head, body).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn a_signed_request_has_all_parameters() {
    let head = signed();
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(BODY)));
    assert_eq!(header(&head, "content-digest"), digest);
    assert_eq!(header(&head, "x-execution-id"), "execution-7");
    let input = header(&head, "signature-input");
    let components =
        r#"sig1=("@method" "@authority" "@path" "@query" "content-type" "content-digest" "x-execution-id")"#;
    let params = input.strip_prefix(components).unwrap();
    let params: Vec<_> = params.split(';').skip(1).map(|param| param.split_once('=').unwrap()).collect();
    let names: Vec<_> = params.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["created", "expires", "nonce", "keyid", "alg"]);
    let created: u64 = params[0].1.parse().unwrap();
    assert!(now().abs_diff(created) < 5, "{created}");
    assert_eq!(params[1].1, (created + 60).to_string());
    assert_eq!(params[2].1.len(), 24, "22 characters in quotes: {}", params[2].1);
    assert_eq!((params[3].1, params[4].1), (r#""executor-1""#, r#""hmac-sha256""#));
    assert_ne!(input, header(&signed(), "signature-input"), "each signature has its own nonce");
}

#[test]
fn signed_requests_are_accepted() {
    let keys = [(SECRET, SECRET), (PRIVATE_KEY, PUBLIC_KEY), (PRIVATE_KEY, PRIVATE_KEY)];
    let urls = ["http://a", "http://a/?", "https://A:443/b%20c?d=%2F", "http://[::1]:8006/x?y"];
    for (mine, theirs) in keys {
        let signer = Signer::new(key("k", mine)).unwrap();
        let verifier = Verifier::new().key(key("k", theirs));
        for (url, body) in urls.iter().flat_map(|url| [(url, ""), (url, "body")]) {
            let mut head = Request::put(*url).body(()).unwrap().into_parts().0;
            signer.sign(&mut head, body.as_bytes(), "7").unwrap();
            let by = verifier.verify(&head, body.as_bytes()).unwrap();
            assert_eq!((&*by.key_id, &*by.execution), ("k", "7"), "{url}");
        }
    }
}

#[test]
fn a_server_sees_the_same_request_in_another_form() {
    let mut head = signed();
    set(&mut head, "host", "Data-API:8006");
    head.uri = "/devices/query?limit=5&area=hall".parse().unwrap();
    assert_eq!(complaint(&head, BODY), "accepted");
}

#[test]
fn a_request_is_accepted_once() {
    let (head, verifier) = (signed(), verifier());
    assert!(verifier.verify(&head, BODY).is_ok());
    assert_eq!(verifier.verify(&head, BODY), Err(VerifyError::Replayed));
    assert!(verifier.verify(&signed(), BODY).is_ok(), "the same request, signed again");
}

#[test]
fn a_full_memory_refuses() {
    let verifier = verifier().replay_capacity(1);
    assert!(verifier.verify(&signed(), BODY).is_ok());
    assert_eq!(verifier.verify(&signed(), BODY), Err(VerifyError::ReplaysFull { capacity: 1 }));
}

#[test]
fn only_the_right_key_is_accepted() {
    let unknown = "no signature was made with a known key; the request names 'executor-1'";
    let wrong = "the signature does not match this request and key 'executor-1'";
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], unknown),
        (&[("executor-2", SECRET)], unknown),
        (&[("executor-1", OTHER_SECRET)], wrong),
        (&[("executor-1", PUBLIC_KEY)], "`alg` is not ed25519"),
        (&[("executor-2", OTHER_SECRET), ("executor-1", SECRET)], "accepted"),
        (&[("executor-1", OTHER_SECRET), ("executor-1", SECRET)], "accepted"),
    ];
    for (keys, expected) in cases {
        let verifier = keys.iter().fold(Verifier::new(), |verifier, (id, text)| verifier.key(key(id, text)));
        let result = verifier.verify(&signed(), BODY);
        let complaint = result.map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        assert!(complaint.contains(expected), "{keys:?}: {complaint}");
    }
}

#[test]
fn each_signature_of_a_request_is_used_up() {
    let old = signed();
    let mut new = post();
    Signer::new(key("executor-2", OTHER_SECRET)).unwrap().sign(&mut new, BODY, "execution-7").unwrap();
    let mut both = signed();
    for name in ["signature-input", "signature"] {
        let second = header(&new, name).replace("sig1", "sig2");
        set(&mut both, name, header(&old, name));
        both.headers.append(name, HeaderValue::from_str(&second).unwrap());
    }
    let verifier = verifier().key(key("executor-2", OTHER_SECRET));
    assert_eq!(verifier.verify(&both, BODY).unwrap().key_id, "executor-1");
    for head in [both, old, new] {
        assert_eq!(verifier.verify(&head, BODY), Err(VerifyError::Replayed));
    }
}

#[test]
fn unusable_keys_are_explained() {
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
    // An EC key on P-256, as made by `openssl genpkey -algorithm EC`.
    let p256 = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----";
    let zero = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END PUBLIC KEY-----";
    let truncated = &PRIVATE_KEY[..80];
    let cases = [
        ("k", "", "secret of key 'k' has 0 bytes"),
        ("k", &SECRET[..31], "has 31 bytes; use at least 32"),
        ("k", rsa, "neither `BEGIN PRIVATE KEY` nor `BEGIN PUBLIC KEY`"),
        ("k", p256, "not an Ed25519 key in PKCS#8"),
        ("k", zero, "a weak public key"),
        ("k", truncated, "openssl genpkey -algorithm ed25519"),
        ("k", "-----BEGIN PRIVATE KEY-----\n", "not an Ed25519 key"),
        ("", SECRET, "a key id must have 1 to 128"),
        ("a\"b", SECRET, "a key id must have 1 to 128"),
        ("a\\b", SECRET, "a key id must have 1 to 128"),
        ("schlüssel", PRIVATE_KEY, "a key id must have 1 to 128"),
        ("a b", PUBLIC_KEY, "a key id must have 1 to 128"),
    ];
    for (id, text, expected) in cases {
        let error = Key::new(id, text).unwrap_err().to_string();
        assert!(error.contains(expected), "{id} {text}: {error}");
    }
    let error = Signer::new(key("k", PUBLIC_KEY)).unwrap_err().to_string();
    assert!(error.contains("public key, which cannot sign"), "{error}");
}

#[test]
fn debug_output_has_no_secrets() {
    for text in [SECRET, PRIVATE_KEY] {
        let shown = format!("{:?}", Signer::new(key("k", text)).unwrap());
        assert!(shown.contains("\"k\"") && shown.len() < 120, "{shown}");
    }
}

#[test]
fn signing_errors_are_explained() {
    type Change = fn(&mut Parts);
    let cases: [(&str, Change, &str); 6] = [
        ("", |_| (), "the execution id is empty"),
        ("a b", |_| (), "the execution id is empty or not visible ASCII"),
        ("a\r\nx-other: 1", |_| (), "the execution id is empty or not visible ASCII"),
        ("7", |head| head.uri = "/path".parse().unwrap(), "the request names no authority"),
        ("7", |head| set(head, "host", "other"), "name different authorities"),
        (
            "7",
            |head| drop(head.headers.insert("content-type", HeaderValue::from_bytes(b"\xff").unwrap())),
            "`content-type` is not ASCII",
        ),
    ];
    for (execution, change, expected) in cases {
        let mut head = post();
        change(&mut head);
        let error = signer().sign(&mut head, BODY, execution).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn existing_headers_are_replaced() {
    let mut head = post();
    for name in ["content-digest", "x-execution-id", "signature-input", "signature"] {
        head.headers.append(name, HeaderValue::from_static("forged"));
        head.headers.append(name, HeaderValue::from_static("twice"));
    }
    signer().sign(&mut head, BODY, "execution-7").unwrap();
    assert_eq!(complaint(&head, BODY), "accepted");
}

#[test]
fn lifetimes_up_to_the_verifiers_limit_are_accepted() {
    for (seconds, accepted) in [(0, true), (1, true), (300, true), (301, false)] {
        let mut head = post();
        signer().lifetime(Duration::from_secs(seconds)).sign(&mut head, BODY, "7").unwrap();
        assert_eq!(verifier().verify(&head, BODY).is_ok(), accepted, "{seconds} s");
    }
}
