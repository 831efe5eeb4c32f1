//! Validly signed requests that were changed in transit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderValue, Method};
use http_signing::{Signer, Verifier, VerifyError};

use super::{BODY, PRIVATE_KEY, SECRET, URL, complaint, header, key, post, set, signed, verifier};

/// A proxy between the two changes the request.
#[test]
fn a_changed_request_is_refused() {
    type Change = fn(&mut Parts);
    let wrong = "the signature does not match this request and key 'executor-1'";
    let no_key = "no signature was made with a known key; the request names 'executor-2'";
    let cases: [(Change, &str); 27] = [
        (|head| head.method = Method::PUT, wrong),
        (|head| head.method = Method::from_bytes(b"post").unwrap(), wrong),
        (|head| head.uri = URL.replace("data-api", "other").parse().unwrap(), wrong),
        (|head| head.uri = URL.replace("8006", "8007").parse().unwrap(), wrong),
        (|head| head.uri = URL.replace("/query", "/delete").parse().unwrap(), wrong),
        (|head| head.uri = URL.replace("/query", "//query").parse().unwrap(), wrong),
        (|head| head.uri = URL.replace("limit=5", "limit=6").parse().unwrap(), wrong),
        (|head| head.uri = URL.split('?').next().unwrap().parse().unwrap(), wrong),
        (|head| set(head, "host", "other"), "its `host` header name different authorities"),
        (|head| set(head, "content-type", "text/plain"), wrong),
        (|head| drop(head.headers.remove("content-type")), "no header `content-type`"),
        (|head| set(head, "content-type", "application/json, a"), wrong),
        (|head| add_line(head, "content-type", "a"), wrong),
        (|head| add_line(head, "x-execution-id", "execution-8"), wrong),
        (|head| set(head, "content-digest", "sha-256=:AAAA:"), wrong),
        (|head| drop(head.headers.remove("content-digest")), "no header `content-digest`"),
        (|head| set(head, "x-execution-id", "execution-8"), wrong),
        (|head| set(head, "x-execution-id", ""), wrong),
        (|head| drop(head.headers.remove("x-execution-id")), "no header `x-execution-id`"),
        (|head| in_input(head, ";created=1", ";created=0"), "lifetime is not within 300 s"),
        (|head| in_input(head, ";expires=1", ";expires=2"), "lifetime is not within 300 s"),
        (|head| in_input(head, ";nonce=\"", ";nonce=\"x"), wrong),
        (|head| in_input(head, "executor-1", "executor-2"), no_key),
        (|head| in_input(head, "hmac-sha256", "ed25519"), "`alg` is not hmac-sha256"),
        (|head| in_input(head, ";alg=\"hmac-sha256\"", ""), wrong),
        (|head| in_input(head, " \"@query\"", ""), "does not cover `@query`"),
        (|head| in_input(head, "\"@path\" \"@query\"", "\"@query\" \"@path\""), wrong),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut head = signed();
        change(&mut head);
        let complaint = complaint(&head, BODY);
        assert!(complaint.contains(expected), "case {number}: {complaint}");
    }
}

fn add_line(head: &mut Parts, name: &'static str, value: &'static str) {
    head.headers.append(name, HeaderValue::from_static(value));
}

fn in_input(head: &mut Parts, from: &str, to: &str) {
    let input = header(head, "signature-input").replacen(from, to, 1);
    assert_ne!(input, header(head, "signature-input"), "{from}");
    set(head, "signature-input", &input);
}

#[test]
fn a_changed_body_is_refused_and_does_not_use_up_the_nonce() {
    let (head, verifier) = (signed(), verifier());
    for body in [&b""[..], &BODY[1..], b"{\"domain\": \"sensor\"} "] {
        assert_eq!(verifier.verify(&head, body), Err(VerifyError::Digest), "{body:?}");
    }
    assert!(verifier.verify(&head, BODY).is_ok());
}

#[test]
fn every_bit_of_the_signature_counts() {
    for secret in [SECRET, PRIVATE_KEY] {
        let mut head = post();
        Signer::new(key("k", secret)).unwrap().sign(&mut head, BODY, "7").unwrap();
        let signature = header(&head, "signature").strip_prefix("sig1=:").unwrap().strip_suffix(':').unwrap();
        let right = STANDARD.decode(signature).unwrap();
        let mut wrong = vec![vec![], right[1..].to_vec(), [&right[..], &[0]].concat()];
        wrong.extend((0..right.len() * 8).step_by(37).map(|bit| {
            let mut bytes = right.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        }));
        let verifier = Verifier::new().key(key("k", secret));
        for bytes in wrong {
            set(&mut head, "signature", &format!("sig1=:{}:", STANDARD.encode(&bytes)));
            assert_eq!(
                verifier.verify(&head, BODY),
                Err(VerifyError::Signature("k".to_owned())),
                "{bytes:?}"
            );
        }
    }
}

#[test]
fn malformed_headers_are_refused_with_a_reason() {
    let (input, signature) = (header(&signed(), "signature-input").to_owned(), "sig1=:AAAA:".to_owned());
    let long = format!("sig1=:{}:", "A".repeat(100_000));
    let many = format!("{}sig1=:AAAA:", "a=:AAAA:, ".repeat(2));
    let cases = [
        (None, Some(&*signature), "no header `signature-input`"),
        (Some(&*input), None, "no header `signature`"),
        (Some(""), Some(""), "names none"),
        (Some(&*input), Some(""), "`signature` is malformed: it has no byte sequence for `sig1`"),
        (Some(""), Some(&*signature), "`signature-input` is malformed: it has no components for `sig1`"),
        (Some(&*input), Some("sig2=:AAAA:"), "it has no byte sequence for `sig1`"),
        (Some(&*input), Some("sig1=::"), "the signature does not match this request"),
        (Some(&*input), Some("sig1=AAAA"), "it has no byte sequence for `sig1`"),
        (Some(&*input), Some("sig1=(:AAAA:)"), "it has no byte sequence for `sig1`"),
        (Some(&*input), Some("sig1=:AA*A:"), "`signature` is malformed: "),
        (Some(&*input), Some("sig1=:AAAA"), "`signature` is malformed: "),
        (Some(&*input), Some("sig1=:AAAA:, sig1=:AAAA:"), "`sig1` is given twice"),
        (Some(&*input), Some(&*many), "`a` is given twice"),
        (Some(&*input), Some(&*long), "has 100007 bytes, more than 8 KiB"),
        (Some(&*long), Some(&*signature), "has 100007 bytes, more than 8 KiB"),
        (Some("sig1=1"), Some(&*signature), "`sig1` is not a list of components"),
        (Some("sig1"), Some(&*signature), "`sig1` is not a list of components"),
        (Some("sig1=("), Some(&*signature), "`signature-input` is malformed: "),
        (Some("sig1=()"), Some(&*signature), "the request names 'none'"),
        (Some("sig1=();keyid=@1"), Some(&*signature), "`signature-input` is malformed: "),
        (Some("sig1=é"), Some(&*signature), "`signature-input` is malformed: "),
        (Some("Signature keyId=1"), Some(&*signature), "`signature-input` is malformed: "),
    ];
    for (input, signature, expected) in cases {
        let mut head = signed();
        for (name, value) in [("signature-input", input), ("signature", signature)] {
            head.headers.remove(name);
            if let Some(value) = value {
                head.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
        }
        let complaint = complaint(&head, BODY);
        assert!(complaint.contains(expected), "{input:?} {signature:?}: {complaint}");
    }
}

/// An eavesdropper cannot turn an accepted request into another one that is accepted.
#[test]
fn no_variation_of_an_accepted_request_is_accepted() {
    let (original, verifier) = (signed(), verifier());
    assert!(verifier.verify(&original, BODY).is_ok());
    let mut random = 1_u64;
    let mut below = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % bound
    };
    for _ in 0..3000 {
        let mut head = original.clone();
        for _ in 0..=below(3) {
            let name = ["signature-input", "signature", "content-digest", "x-execution-id"][below(4)];
            let mut bytes = head.headers[name].as_bytes().to_vec();
            let (at, byte) = (below(bytes.len().max(1)), b" \"();:=,?@-019aAzZ\\\t"[below(20)]);
            match below(4) {
                0 => bytes.insert(at, byte),
                1 => bytes.extend_from_within(at..),
                2 => bytes.truncate(at),
                _ => bytes[at] = byte,
            }
            bytes.push(b' '); // never empty
            head.headers.insert(name, HeaderValue::from_bytes(&bytes).unwrap());
        }
        assert!(verifier.verify(&head, BODY).is_err(), "{:?}", head.headers);
    }
}

/// Requests may carry several signatures: a proxy adds its own, or two keys sign during a rotation.
#[test]
fn one_valid_signature_among_several_suffices() {
    let (mine, theirs) = (signed(), "=(\"@status\";req \"x-any\");keyid=\"proxy\"");
    let (input, signature) = (header(&mine, "signature-input"), header(&mine, "signature"));
    let broken = format!("other=:{}:", STANDARD.encode([0; 32]));
    let cases = [
        (format!("a{theirs}, {input}"), format!("a=:AAAA:, {signature}"), "accepted"),
        (
            format!("{input}, {}", input.replace("sig1", "other")),
            format!("{signature}, {broken}"),
            "accepted",
        ),
        (
            format!("{}, {input}", input.replace("sig1", "other")),
            format!("{signature}, {broken}"),
            "accepted",
        ),
        (
            format!("a{theirs}, b{theirs}"),
            "a=:AAAA:, b=:AAAA:".to_owned(),
            "the request names 'proxy', 'proxy'",
        ),
        (format!("a{theirs}, {input}"), signature.to_owned(), "it has no byte sequence for `a`"),
    ];
    for (inputs, signatures, expected) in cases {
        let mut head = signed();
        set(&mut head, "signature-input", &inputs);
        set(&mut head, "signature", &signatures);
        let complaint = complaint(&head, BODY);
        assert!(complaint.contains(expected), "{inputs}: {complaint}");
    }
}
