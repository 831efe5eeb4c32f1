//! Signatures made without the crate's signer, as by a caller who has a key but breaks the rules.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use http_signing::{Verifier, VerifyError};
use sha2::{Digest, Sha256, Sha512};

use super::{BODY, PUBLIC_KEY, SECRET, complaint, key, now, post, set};

const DIGEST: &str = "sha-256=:weCNYuTCjhu2G9BuRXUt1MG9s7PytAu39t/X6XhO990=:";

/// The signed lines, written by hand.
const LINES: [(&str, &str); 7] = [
    ("@method", "POST"),
    ("@authority", "data-api:8006"),
    ("@path", "/devices/query"),
    ("@query", "?limit=5&area=hall"),
    ("content-type", "application/json"),
    ("content-digest", DIGEST),
    ("x-execution-id", "execution-7"),
];

/// Returns a valid `signature-input` with `from` replaced by `to`.
fn forged_input(from: &str, to: &str) -> String {
    let components: Vec<_> = LINES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let (components, created) = (components.join(" "), now());
    let expires = created + 60;
    let input =
        format!("({components});created={created};expires={expires};nonce=\"once\";keyid=\"executor-1\"");
    assert!(input.contains(from), "{from}");
    input.replacen(from, to, 1)
}

/// Returns the request with this input, signed with HMAC.
fn forged(input: &str, secret: &str) -> Parts {
    forged_with_digest(input, DIGEST, secret)
}

fn forged_with_digest(input: &str, digest: &str, secret: &str) -> Parts {
    let mut head = post();
    set(&mut head, "content-digest", digest);
    set(&mut head, "x-execution-id", "execution-7");
    let covered = LINES.iter().filter(|(name, _)| input.contains(&format!("\"{name}\"")));
    let mut lines: Vec<_> = covered.map(|(name, value)| format!("\"{name}\": {value}")).collect();
    lines.push(format!("\"@signature-params\": {input}"));
    let base = lines.join("\n").replace(DIGEST, digest);
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(base);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    set(&mut head, "signature-input", &format!("forged={input}"));
    set(&mut head, "signature", &format!("forged=:{signature}:"));
    head
}

/// The signature is by the right key, but its parameters violate a requirement.
#[test]
fn signatures_with_insufficient_parameters_are_refused() {
    assert_eq!(complaint(&forged(&forged_input("", ""), SECRET), BODY), "accepted", "the forger can sign");
    let second = |offset: i64| now().checked_add_signed(offset).unwrap();
    let created = format!(";created={}", second(0));
    let with_times = |from: i64, to: i64| format!(";created={};expires={}", second(from), second(to));
    let times = with_times(0, 60);
    let cases = [
        (&*created, String::new(), "parameter `created` is missing or invalid"),
        (&*created, ";created".to_owned(), "parameter `created` is missing or invalid"),
        (&*created, ";created=1.5".to_owned(), "parameter `created` is missing or invalid"),
        (&*created, ";created=-5".to_owned(), "parameter `created` is missing or invalid"),
        (&*created, ";created=\"1\"".to_owned(), "parameter `created` is missing or invalid"),
        (&*times, created.clone(), "parameter `expires` is missing or invalid"),
        (&*times, with_times(-90, -10), "has expired"),
        (&*times, with_times(90, 100), "in the future"),
        (&*times, with_times(0, 400), "lifetime is not within 300 s"),
        (&*times, with_times(20, 10), "lifetime is not within 300 s"),
        (&*times, format!(";created={};expires=999999999999999", second(0)), "lifetime is not within 300 s"),
        (";nonce=\"once\"", String::new(), "parameter `nonce` is missing or invalid"),
        (";nonce=\"once\"", ";nonce=\"\"".to_owned(), "parameter `nonce` is missing or invalid"),
        (";nonce=\"once\"", ";nonce=once".to_owned(), "parameter `nonce` is missing or invalid"),
        (
            ";nonce=\"once\"",
            format!(";nonce=\"{}\"", "n".repeat(257)),
            "parameter `nonce` is missing or invalid",
        ),
        (
            ";nonce=\"once\"",
            ";nonce=\"once\";nonce=\"twice\"".to_owned(),
            "signature does not match this request",
        ),
        (";keyid=\"executor-1\"", String::new(), "the request names 'none'"),
        (";keyid=\"executor-1\"", ";keyid=executor-1".to_owned(), "the request names 'none'"),
        (";keyid=\"executor-1\"", ";keyid=\"\"".to_owned(), "the request names ''"),
        (";keyid", ";alg=\"none\";keyid".to_owned(), "`alg` is not hmac-sha256"),
        (";keyid", ";alg=\"HMAC-SHA256\";keyid".to_owned(), "`alg` is not hmac-sha256"),
        (";keyid", ";alg=hmac-sha256;keyid".to_owned(), "parameter `alg` is missing or invalid"),
        (";keyid", ";tag=\"app\";keyid".to_owned(), "accepted"),
        ("\"@method\" ", String::new(), "does not cover `@method`"),
        ("\"@authority\" ", String::new(), "does not cover `@authority`"),
        ("\"@path\" ", String::new(), "does not cover `@path`"),
        ("\"@query\" ", String::new(), "does not cover `@query`"),
        ("\"content-type\" ", String::new(), "does not cover `content-type`"),
        ("\"content-digest\" ", String::new(), "does not cover `content-digest`"),
        (" \"x-execution-id\"", String::new(), "does not cover `x-execution-id`"),
        ("\"@method\"", "\"@method\" \"@method\"".to_owned(), "covers `@method` twice"),
        ("\"@method\"", "\"@method\";req".to_owned(), "covers `@method` with a component parameter"),
        (
            "\"content-digest\"",
            "\"content-digest\";sf".to_owned(),
            "covers `content-digest` with a component parameter",
        ),
        (
            "\"content-digest\"",
            "\"content-digest\";bs".to_owned(),
            "covers `content-digest` with a component parameter",
        ),
        (
            "\"content-digest\"",
            "\"content-digest\";tr".to_owned(),
            "covers `content-digest` with a component parameter",
        ),
        ("\"@method\"", "\"@method\" \"@target-uri\"".to_owned(), "`@target-uri` is not supported"),
        ("\"@method\"", "\"@method\" \"x-missing\"".to_owned(), "no header `x-missing`"),
        ("\"@method\"", "\"@method\" method".to_owned(), "whose name is not a string"),
        ("\"@method\"", "\"@method\" \"Content-Type\"".to_owned(), "signature does not match this request"),
    ];
    for (from, to, expected) in cases {
        let input = forged_input(from, &to);
        let complaint = complaint(&forged(&input, SECRET), BODY);
        assert!(complaint.contains(expected), "{input}: {complaint}");
    }
}

#[test]
fn digests_are_read_strictly() {
    let sha256 = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(BODY)));
    let sha512 = format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(BODY)));
    let cases = [
        (sha512.clone(), "accepted"),
        (format!("{sha256}, {sha512}"), "accepted"),
        (format!("md5=:AAAA:, {sha256}"), "accepted"),
        (format!("sha-256=:AAAA:, {sha512}"), "does not match `content-digest`"),
        (format!("{sha256}, sha-256=:AAAA:"), "`sha-256` is given twice"),
        (sha256.replace(':', "\""), "does not match `content-digest`"),
        (sha256.to_uppercase(), "`content-digest` is malformed"),
        ("md5=:AAAA:".to_owned(), "neither sha-256 nor sha-512"),
        (String::new(), "neither sha-256 nor sha-512"),
    ];
    for (digest, expected) in cases {
        let head = forged_with_digest(&forged_input("", ""), &digest, SECRET);
        let complaint = complaint(&head, BODY);
        assert!(complaint.contains(expected), "{digest}: {complaint}");
    }
}

/// Attack: a caller who knows only the public key uses its text as a shared secret and omits the algorithm.
#[test]
fn a_public_key_is_not_accepted_as_a_secret() {
    let input = forged_input("", "");
    for secret in [PUBLIC_KEY, PUBLIC_KEY.trim()] {
        let head = forged(&input, secret);
        let verifier = Verifier::new().key(key("executor-1", PUBLIC_KEY));
        assert_eq!(verifier.verify(&head, BODY), Err(VerifyError::Signature("executor-1".to_owned())));
    }
}

#[test]
fn secrets_of_any_length_match_standard_hmac() {
    for length in [32, 63, 64, 65, 200] {
        let secret = "s".repeat(length);
        let head = forged(&forged_input("", ""), &secret);
        assert!(Verifier::new().key(key("executor-1", &secret)).verify(&head, BODY).is_ok(), "{length}");
    }
}
