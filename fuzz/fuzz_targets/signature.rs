//! Signatures. Arbitrary headers are refused. A signed request is accepted once, and only unchanged.

#![no_main]

use std::sync::LazyLock;

use ai_code_executor::http_signing::{Key, Signer, Verifier};
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

const SECRETS: [&str; 2] = [
    "a secret of thirty-two bytes or more",
    // From RFC 9421, appendix B.1.4.
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----",
];
const SIGNED_HEADERS: [&str; 5] =
    ["signature-input", "signature", "content-digest", "x-execution-id", "content-type"];

static KEYS: LazyLock<[Key; 2]> =
    LazyLock::new(|| SECRETS.map(|secret| Key::new("key", secret).expect("a key")));

fuzz_target!(|bytes: &[u8]| {
    forged(bytes);
    // The attack ends where the bytes end.
    let _ = tampered(&mut Unstructured::new(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Key::new("key", text);
    }
});

fn verifier(key: &Key) -> Verifier {
    Verifier::new().key(key.clone())
}

/// Uses the bytes as the headers of a request, one line each.
fn forged(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut head = Request::post("http://service/path?query").body(()).expect("a request").into_parts().0;
    for (name, line) in SIGNED_HEADERS.into_iter().zip(&mut lines) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            head.headers.append(name, value);
        }
    }
    let body = lines.next().unwrap_or_default();
    for key in &*KEYS {
        assert!(verifier(key).verify(&head, body).is_err(), "{head:?}");
    }
}

/// Signs a request, verifies it, changes it and verifies it again.
fn tampered(choices: &mut Unstructured<'_>) -> Result<()> {
    let key = &KEYS[choices.choose_index(2)?];
    let Some(mut head) = request(choices)? else { return Ok(()) };
    let body: Vec<u8> = choices.arbitrary()?;
    let execution = text(choices)?;
    if Signer::new(key.clone()).expect("the key can sign").sign(&mut head, &body, &execution).is_err() {
        return Ok(());
    }
    let verifier = verifier(key);
    let verified = verifier.verify(&head, &body).unwrap_or_else(|error| panic!("{error}: {head:?}"));
    assert_eq!(verified.execution, execution);
    let original = head.clone();
    for _ in 0..choices.int_in_range(1..=4)? {
        change(choices, &mut head)?;
    }
    assert!(verifier.verify(&head, &body).is_err(), "accepted twice: {head:?}");
    // Another verifier does not know the nonce. If it accepts the changed request, its signed headers must have the
    // same content as the original's.
    if self::verifier(key).verify(&head, &body).is_ok() {
        let said = |head: &Parts| {
            ["content-digest", "x-execution-id", "content-type"]
                .map(|name| head.headers.get(name).map(|value| value.as_bytes().trim_ascii().to_vec()))
        };
        assert_eq!(said(&head), said(&original), "{head:?}");
    }
    assert!(self::verifier(key).verify(&original, &[&body[..], b"x"].concat()).is_err());
    Ok(())
}

fn request(choices: &mut Unstructured<'_>) -> Result<Option<Parts>> {
    let method = Method::from_bytes(text(choices)?.as_bytes()).unwrap_or(Method::GET);
    let uri = format!("http://{}/{}", text(choices)?, text(choices)?);
    let mut request = Request::builder().method(method).uri(uri);
    if choices.arbitrary()? {
        request = request.header("content-type", text(choices)?);
    }
    Ok(request.body(()).ok().map(|request| request.into_parts().0))
}

fn text(choices: &mut Unstructured<'_>) -> Result<String> {
    let bytes = choices.int_in_range(0..=24)?;
    let text = choices.bytes(bytes.min(choices.len()))?;
    Ok(text.iter().map(|byte| char::from(byte & 0x7f)).collect())
}

fn change(choices: &mut Unstructured<'_>, head: &mut Parts) -> Result<()> {
    let name = *choices.choose(&SIGNED_HEADERS)?;
    let Some(value) = head.headers.get(name) else { return Ok(()) };
    let mut bytes = value.as_bytes().to_vec();
    let at = choices.int_in_range(0..=bytes.len())?;
    match choices.int_in_range(0..=3)? {
        0 => bytes.insert(at, choices.arbitrary()?),
        1 => bytes.extend_from_within(at..),
        2 => bytes.truncate(at),
        _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1),
    }
    if let Ok(value) = HeaderValue::from_bytes(&bytes) {
        head.headers.insert(name, value);
    }
    Ok(())
}
