//! Parses the texts of settings. Each error says what is accepted, as the end of a sentence.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use ai_code_executor::Packages;
use ai_code_executor::tools::BaseUrl;
use ai_code_executor::validator::{self, DEFAULT_IMPORTS, REFUSED_NAMES};

/// Returns a parser for numbers in a range. The type of the range decides whether they are integers.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display + Kind,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a {} from {} to {}", T::KIND, range.start(), range.end()))
    }
}

/// The name of a number type in messages.
pub(super) trait Kind {
    const KIND: &str = "whole number";
}

impl Kind for u16 {}
impl Kind for u32 {}
impl Kind for u64 {}
impl Kind for usize {}
impl Kind for f64 {
    const KIND: &str = "number";
}

/// Reads a directory of packages; none for an empty text.
pub(super) fn packages(dir: &str) -> Result<Packages, String> {
    if dir.is_empty() { Ok(Packages::default()) } else { Packages::read(dir).map_err(|error| error.chain()) }
}

const TIME_UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

const SIZE_UNITS: [(&str, f64); 7] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("B", 1.0),
];

/// Returns a parser for a time: a number of seconds, or a number with a unit.
pub(super) fn seconds(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let seconds = measured(text, &TIME_UNITS, 1.0).filter(|seconds| range.contains(seconds));
        let (from, to) = (range.start(), range.end());
        let problem =
            || format!("must be a number from {from} to {to}, or a time such as 500ms, 5s, 2m or 1h");
        seconds.map(Duration::from_secs_f64).ok_or_else(problem)
    }
}

/// Returns a parser for a size: a number of bytes, or a number with a unit.
pub(super) fn bytes(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> {
    move |text| {
        let plain = text.parse().ok();
        let bytes = plain.or_else(|| whole(measured(text, &SIZE_UNITS, f64::NAN)?));
        bytes.filter(|bytes| range.contains(bytes)).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            format!("must be a whole number from {from} to {to}, or a size such as 64KiB or 1MiB")
        })
    }
}

/// Returns a parser for a size in bytes: a number of MiB, or a number with a unit.
pub(super) fn mebibytes(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let (from, to) = (*range.start(), *range.end());
        let plain = text.parse().ok().and_then(|mebibytes: usize| mebibytes.checked_mul(1 << 20));
        let bytes = plain.or_else(|| whole(measured(text, &SIZE_UNITS, f64::NAN)?));
        let bytes = bytes.filter(|bytes| (from << 20..=to << 20).contains(bytes));
        bytes.map(|bytes| bytes as u64).ok_or_else(|| {
            format!("must be a whole number from {from} to {to}, or a size such as 64MiB or 1GiB")
        })
    }
}

/// Parses a number with one of `units`, in any case, or without a unit; then it is multiplied by `plain`.
fn measured(text: &str, units: &[(&str, f64)], plain: f64) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return Some(number * plain);
    }
    units.iter().find_map(|(unit, factor)| {
        let (number, suffix) = text.split_at_checked(text.len().checked_sub(unit.len())?)?;
        let number: f64 = number.trim_end().parse().ok().filter(|_| suffix.eq_ignore_ascii_case(unit))?;
        Some(number * factor)
    })
}

/// Returns a number of bytes as an integer; `None` if it is no whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the line before")]
fn whole(bytes: f64) -> Option<usize> {
    let is_whole = bytes.fract() == 0.0 && (0.0..=9e15).contains(&bytes);
    is_whole.then_some(bytes as usize)
}

/// Parses a finite number. It is clamped to 10 to 100 where it is used.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|percent: &f64| percent.is_finite());
    number.ok_or_else(|| "must be a number; it is clamped to 10 to 100".into())
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "must be an IP address, such as 127.0.0.1 or 0.0.0.0".into())
}

/// Returns a parser for one of `choices`. Case does not matter.
pub(super) fn one_of<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        found.map(|(_, choice)| *choice).ok_or_else(|| format!("must be one of {}", names.join(", ")))
    }
}

/// Parses a list of imports. `json,re` is a whole list, `+pickle,-secrets` changes the standard list, and an empty
/// text means the standard list.
pub(super) fn imports(text: &str) -> Result<BTreeSet<String>, String> {
    let standard: BTreeSet<_> = DEFAULT_IMPORTS.iter().map(|&name| name.to_owned()).collect();
    let items: Vec<_> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let edits = items.iter().filter(|item| item.starts_with(['+', '-'])).count();
    if edits != 0 && edits != items.len() {
        return Err(
            "mixes names, which replace the standard list, with +name or -name, which change it".into()
        );
    }
    let mut names = if edits == items.len() { standard.clone() } else { BTreeSet::new() };
    for item in items {
        let name = item.trim_start_matches(['+', '-']);
        check_module(name)?;
        if !item.starts_with('-') {
            names.insert(name.into());
        } else if !names.remove(name) {
            return Err(format!("removes '{name}', which is not in the list"));
        }
    }
    Ok(names)
}

fn check_module(name: &str) -> Result<(), String> {
    if !name.split('.').all(validator::is_identifier) {
        return Err(format!("'{name}' is not a module name"));
    }
    if name != "sys" && name.split('.').any(|part| REFUSED_NAMES.contains(&part)) {
        return Err(format!("'{name}' is never allowed: programs may not use this name"));
    }
    Ok(())
}

/// Checks a token, which callers send in a header. An empty one is valid.
pub(super) fn token(text: &str) -> Result<(), String> {
    if text.trim() != text || text.contains(char::is_control) {
        // A header cannot carry such a token, so no caller could send it.
        return Err("has white space at an end or a control character".into());
    }
    Ok(())
}

/// Checks a signing key. An empty one is valid. Only a PEM key may have several lines.
pub(super) fn signing_key(text: &str) -> Result<(), String> {
    if text.starts_with("-----BEGIN ") { Ok(()) } else { token(text) }
}

/// Checks the base URL of a service.
pub(super) fn service_url(text: &str) -> Result<String, String> {
    BaseUrl::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Parses a list of hosts, in the form that requests have. Ports are dropped, because they do not matter.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(host).collect()
}

fn host(text: &str) -> Result<String, String> {
    // An IPv6 address may be written without brackets.
    let lower = text.parse::<Ipv6Addr>().map_or_else(|_| text.to_ascii_lowercase(), |v6| format!("[{v6}]"));
    if !is_authority(&lower) {
        let why = if text == "*" { "would accept every web page" } else { "is not a host" };
        return Err(format!(
            "'{text}' {why}; must be a name or an address, such as house.example or 192.0.2.7"
        ));
    }
    let port = lower.rfind(':').filter(|colon| !lower[*colon..].ends_with(']'));
    Ok(lower[..port.unwrap_or(lower.len())].to_owned())
}

/// Parses a list of web origins, in the form that browsers send.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(origin).collect()
}

fn origin(text: &str) -> Result<String, String> {
    let refused = || {
        let why = if text == "*" { "would accept every web page" } else { "is not an origin" };
        format!("'{text}' {why}; must be scheme://host or scheme://host:port, with http or https")
    };
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://").ok_or_else(refused)?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(refused()),
    };
    // Browsers leave the default port out.
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    if is_authority(authority) { Ok(format!("{scheme}://{authority}")) } else { Err(refused()) }
}

/// Returns whether a text is `host`, `host:port`, `[v6]` or `[v6]:port`.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_name = || {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    port.is_none_or(is_port) && v6.map_or_else(is_name, |host| host.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that each text parses to the value (`Ok`), or fails with an error that contains the words (`Err`).
    fn check<T: std::fmt::Debug + PartialEq>(
        parse: impl Fn(&str) -> Result<T, String>,
        cases: &[(&str, Result<T, &str>)],
    ) {
        for (text, expected) in cases {
            match (parse(text), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(&value, expected, "{text}"),
                (Err(why), Err(words)) => assert!(why.contains(words), "{text}: {why}"),
                (found, _) => panic!("{text}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn numbers_outside_of_their_range_are_refused() {
        let range = Err("must be a whole number from 1 to 9");
        check(number(1_u32..=9), &[("1", Ok(1)), ("9", Ok(9)), ("0", range), ("10", range), ("-1", range)]);
        check(number(1_u32..=9), &[("1.5", range), ("", range), (" 1", range), ("99999999999", range)]);
        let range = Err("must be a number from 0.5 to 2");
        check(number(0.5..=2.0), &[("1e0", Ok(1.0)), ("NaN", range), ("inf", range), ("2.1", range)]);
        let finite = Err("must be a number");
        check(
            percent,
            &[("500", Ok(500.0)), ("-3", Ok(-3.0)), ("NaN", finite), ("inf", finite), ("x", finite)],
        );
    }

    #[test]
    fn times_and_sizes_have_units() {
        let time = seconds(0.1..=86_400.0);
        for (text, milliseconds) in [
            ("5", 5000),
            ("0.5", 500),
            ("1e1", 10_000),
            ("500ms", 500),
            ("5s", 5000),
            ("1.5 M", 90_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "5x", "5 5s", "-1s", "50ms", "25h", "NaN", "infs", "5ss", "é"] {
            assert!(time(text).unwrap_err().contains("500ms, 5s, 2m or 1h"), "{text}");
        }
        let size = bytes(1..=64 << 20);
        for (text, bytes) in
            [("7", 7), ("64KiB", 65_536), ("1.5mib", 1_572_864), ("2 MB", 2_000_000), ("12B", 12)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "0", "1.5", "1e3", "0.1KiB", "65MiB", "KiB", "5k", "-1KB", "NaNB", "infGiB", "5Ki\u{e9}"]
        {
            assert!(size(text).unwrap_err().contains("such as 64KiB"), "{text}");
        }
        let memory = mebibytes(32..=4096);
        for (text, bytes) in
            [("64", 64 << 20), ("64MiB", 64 << 20), ("1GiB", 1 << 30), ("64000000B", 64_000_000)]
        {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        for text in ["31", "31MiB", "4097", "5GiB", "1.5", "99999999999999999999", ""] {
            assert!(
                memory(text).unwrap_err().starts_with("must be a whole number from 32 to 4096"),
                "{text}"
            );
        }
    }

    #[test]
    fn imports_replace_or_change_the_standard_list() {
        let names = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect());
        check(
            imports,
            &[
                ("json, re,", names(&["json", "re"])),
                ("urllib.parse,sys", names(&["sys", "urllib.parse"])),
                ("", names(DEFAULT_IMPORTS)),
                (",", names(DEFAULT_IMPORTS)),
                ("json,+re", Err("mixes names")),
                ("+os", Err("'os' is never allowed")),
                ("sys.x", Err("'sys.x' is never allowed")),
                ("os.path", Err("'os.path' is never allowed")),
                ("a-b", Err("'a-b' is not a module name")),
                (".json", Err("not a module name")),
                ("+", Err("'' is not a module name")),
                ("-pickle", Err("removes 'pickle'")),
            ],
        );
        let edited = imports("+pickle,-secrets").unwrap();
        assert!(edited.contains("pickle") && !edited.contains("secrets"));
        assert_eq!(edited.len(), DEFAULT_IMPORTS.len());
    }

    #[test]
    fn hosts_have_no_ports() {
        let list = |hosts: &[&str]| Ok(hosts.iter().map(|&host| host.to_owned()).collect());
        let refused = || Err("must be a name or an address");
        check(
            hosts,
            &[
                ("House.Example, 192.0.2.7:80,", list(&["house.example", "192.0.2.7"])),
                ("[2001:DB8::1]:80,2001:db8::2,::1", list(&["[2001:db8::1]", "[2001:db8::2]", "[::1]"])),
                ("", list(&[])),
                ("*", Err("would accept every web page")),
                ("*.example", refused()),
                ("http://house.example", refused()),
                ("house.example/", refused()),
                ("u@house.example", refused()),
                ("house.example:x", refused()),
                ("[::1", refused()),
            ],
        );
    }

    #[test]
    fn origins_are_what_browsers_send() {
        let list = |origins: &[&str]| Ok(origins.iter().map(|&origin| origin.to_owned()).collect());
        let refused = || Err("must be scheme://host");
        check(
            origins,
            &[
                ("http://localhost:8030", list(&["http://localhost:8030"])),
                (
                    "HTTPS://House.Example:443, http://[::1]:80",
                    list(&["https://house.example", "http://[::1]"]),
                ),
                ("*", Err("would accept every web page")),
                ("http://ok,*", Err("would accept every web page")),
                ("http://x/", refused()),
                ("http://", refused()),
                ("http://u@x", refused()),
                ("http://x:99999", refused()),
                ("http://x:+1", refused()),
                ("http://x:", refused()),
                ("http://[::1", refused()),
                ("ftp://x", refused()),
                ("null", refused()),
                ("http://*.x", refused()),
            ],
        );
    }

    #[test]
    fn tokens_and_keys_have_no_white_space_or_control_characters() {
        check(
            token,
            &[
                ("", Ok(())),
                ("s3cret", Ok(())),
                (" s", Err("white space")),
                ("a\nb", Err("control character")),
            ],
        );
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        check(
            signing_key,
            &[("", Ok(())), (pem, Ok(())), ("a-key", Ok(())), ("a\nb", Err("control character"))],
        );
    }

    #[test]
    fn switches_and_choices_ignore_case() {
        check(switch, &[("True", Ok(true)), ("0", Ok(false)), ("maybe", Err("true or false"))]);
        check(one_of(&[("A", 1), ("B", 2)]), &[("b", Ok(2)), ("c", Err("must be one of A, B"))]);
    }
}
