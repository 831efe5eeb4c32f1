use super::*;
use crate::tools::http::Query;

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "WEATHER_TOKEN" => "s3cret",
        "BAD_TOKEN" => "s3cret\u{1}",
        "BAD_URL" => "http://user:s3cret@weather",
        "EMPTY" => "",
        "DATA_API_URL" | "AI_AUTOMATION_URL" | "DEVICE_INTELLIGENCE_URL" => "http://homeiq.example:1",
        _ => return None,
    };
    Some(value.to_owned())
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    match path.to_str() {
        Some("/ca.pem") => {
            let signed = rcgen::generate_simple_self_signed(["weather".to_owned()]).unwrap();
            Ok(signed.cert.pem().into_bytes())
        }
        Some("/text.pem") => Ok(b"not a certificate".to_vec()),
        Some("/broken.pem") => Ok(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn parse(text: &str) -> Result<ToolFile, Vec<String>> {
    ToolFile::parse("tools.toml", text, Surroundings { variable: &variable, read: &content })
        .map_err(|error| error.problems)
}

const WEATHER: &str = r#"
[services.weather]
url = "https://weather.example:8443/api"
headers = { Authorization = "Bearer ${WEATHER_TOKEN}" }
ca_file = "/ca.pem"
signed = false

[tools.weather.get-forecast]
description = "The weather to come."
method = "GET"
path = "/v1/{city}/forecast"
query = ["days"]
header = { unit = "X-Unit" }
timeout = 2.5
reply_bytes_max = 100_000

[tools.weather.get-forecast.parameters]
required = ["city"]
properties.city = { type = "string" }
properties.days = { type = "integer", minimum = 1, default = 3 }
properties.unit.enum = ["C", "F"]

[tools.weather.get-forecast.output]
type = "object"
"#;

#[test]
fn all_keys_of_a_tool_are_read() {
    let file = parse(WEATHER).unwrap();
    let [tool] = &file.tools[..] else { panic!("{file:?}") };
    assert_eq!((tool.module.as_str(), tool.name.as_str()), ("weather", "get-forecast"));
    assert_eq!(
        tool.service.url,
        crate::tools::http::BaseUrl::parse("https://weather.example:8443/api").unwrap()
    );
    assert_eq!(tool.service.headers["authorization"], "Bearer s3cret");
    assert_eq!(tool.service.roots.as_ref().unwrap().len(), 1);
    assert!(!tool.service.signed && tool.idempotent && !tool.read_only && !tool.destructive);
    assert_eq!(tool.places.query, Query::Only(vec!["days".into()]));
    assert_eq!(tool.time_max, Some(std::time::Duration::from_millis(2500)));
    assert_eq!(tool.reply_bytes_max, Some(100_000));
    assert_eq!(tool.parameters["type"], "object");
    assert_eq!(tool.parameters["properties"]["days"]["default"], 3);
    assert_eq!(tool.output.as_ref().unwrap()["type"], "object");
    assert!(!format!("{file:?}").contains("s3cret"), "{file:?}");
}

#[test]
fn defaults_follow_the_method() {
    let cases = [
        ("", Query::default(), false),
        ("method = 'PATCH'", Query::default(), false),
        ("method = 'PUT'", Query::default(), true),
        ("method = 'GET'", Query::Rest, true),
        ("method = 'DELETE'", Query::Rest, true),
        ("method = 'DELETE'\nidempotent = false", Query::Rest, false),
        ("read_only = true", Query::default(), true),
        ("query = true", Query::Rest, false),
        ("method = 'GET'\nquery = false", Query::default(), true),
    ];
    for (keys, query, idempotent) in cases {
        let text = format!("[services.a]\nurl = 'http://a'\n[tools.a.b]\npath = '/'\n{keys}");
        let tool = parse(&text).unwrap().tools.remove(0);
        assert_eq!((tool.places.query, tool.idempotent), (query, idempotent), "{keys}");
        assert!(tool.service.signed);
    }
}

#[test]
fn homeiq_has_its_five_tools() {
    let file = ToolFile::homeiq(Surroundings { variable: &variable, read: &content }).unwrap();
    let tools: Vec<_> = file.tools.iter().map(|tool| format!("{}.{}", tool.module, tool.name)).collect();
    let expected = [
        "data.get_devices",
        "data.query_device_history",
        "data.search_events",
        "automation.detect_patterns",
        "device.get_device_capabilities",
    ];
    assert_eq!(tools, expected);
    assert!(file.tools.iter().all(|tool| tool.read_only && tool.idempotent && tool.service.signed));
    let both = parse(&format!("homeiq = true\n{WEATHER}")).unwrap();
    assert_eq!(both.tools.len(), 6);
    let unset = ToolFile::homeiq(Surroundings { variable: &|_| None, read: &content }).unwrap_err();
    assert_eq!(unset.problems.len(), 3);
}

/// The beginning of a line, its replacement, and the expected problem.
#[rustfmt::skip]
const CHANGES: [(&str, &str, &str); 48] = [
    ("[services.weather]", "[services.wether]", "tools.weather.get-forecast.service: there is no service 'weather'; add"),
    ("url =", "ulr =", "services.weather.ulr: unknown; did you mean 'url'? the keys are url, headers"),
    ("url =", "url = 7 #", "services.weather.url: must be a string, not a whole number"),
    ("url =", "url = 'ftp://x' #", "services.weather.url: has another scheme"),
    ("url =", "url = '${BAD_URL}' #", "services.weather.url: has a user name"),
    ("url =", "url = 'http://${NOPE}' #", "services.weather.url: the environment variable 'NOPE' is not set"),
    ("url =", "url = 'http://${EMPTY}' #", "services.weather.url: the environment variable 'EMPTY' is not set"),
    ("url =", "url = 'http://${x' #", "services.weather.url: has a '${' without"),
    ("headers =", "headers = 'x' #", "services.weather.headers: must be a table, not a string"),
    ("headers =", "headers = { Host = 'x' } #", "services.weather.headers.Host: 'host' is written by the executor"),
    ("headers =", "headers = { X = '${BAD_TOKEN}' } #", "services.weather.headers.X: has a control character"),
    ("headers =", "headers = { a-b = 'x', A-B = 'y' } #", "services.weather.headers.A-B: is given twice"),
    ("ca_file =", "ca_file = '/none' #", "services.weather.ca_file: cannot be read: "),
    ("ca_file =", "ca_file = '/text.pem' #", "services.weather.ca_file: has no certificate"),
    ("ca_file =", "ca_file = '/broken.pem' #", "services.weather.ca_file: has an unusable certificate"),
    ("signed =", "signed = 'no' #", "services.weather.signed: must be true or false, not a string"),
    ("description =", "description = 1979-05-27 #", "tools.weather.get-forecast.description: must be a string, not a date"),
    ("method =", "method = 'get' #", "tools.weather.get-forecast.method: must be one of GET, HEAD"),
    ("path =", "path = 'v1' #", "tools.weather.get-forecast.path: must start with '/'"),
    ("path =", "path = '/{town}' #", "tools.weather.get-forecast.path: 'town' is not an argument"),
    ("path =", "path = '/{days}' #", "tools.weather.get-forecast.query: 'days' is already sent in path"),
    ("path =", "path = '/{city}/..' #", "tools.weather.get-forecast.path: has a segment '.' or '..'"),
    ("query =", "query = [7] #", "tools.weather.get-forecast.query: must be a list of strings"),
    ("query =", "query = 'days' #", "tools.weather.get-forecast.query: must be true or false"),
    ("query =", "query = [] #", "tools.weather.get-forecast.query: 'days' cannot be sent: GET has no body"),
    ("query =", "query = ['days', 'unit'] #", "tools.weather.get-forecast.query: 'unit' is already sent in header"),
    ("header =", "header = { unit = 'Signature-Input' } #", "tools.weather.get-forecast.header.unit: 'signature-input' is"),
    ("header =", "header = { unit = 'X-Execution-ID' } #", "tools.weather.get-forecast.header.unit: 'x-execution-id' is"),
    ("header =", "header = { unit = 'X-Unit', city = 'x-unit' } #", "tools.weather.get-forecast.header.city: 'x-unit' is already the header"),
    ("header =", "header = { unit = 'authorization' } #", "tools.weather.get-forecast.header: 'unit' would replace the header 'authorization' of"),
    ("timeout =", "timeout = 0 #", "tools.weather.get-forecast.timeout: must be from 0.001 to 86400"),
    ("timeout =", "timeout = nan #", "tools.weather.get-forecast.timeout: must be from"),
    ("reply_bytes_max =", "reply_bytes_max = -1 #", "tools.weather.get-forecast.reply_bytes_max: must be from 1"),
    ("reply_bytes_max =", "read_only = true\ndestructive = true #", "tools.weather.get-forecast.destructive: contradicts"),
    ("required =", "required = [] #", "tools.weather.get-forecast.path: 'city' may be missing"),
    ("required =", "required = 'city' #", "tools.weather.get-forecast.parameters: tool 'weather.get-forecast' is unusable"),
    ("properties.city =", "properties.city = { type = 'txt' } #", "tools.weather.get-forecast.parameters: tool 'weather"),
    ("properties.city =", "properties.city = { const = inf } #", "tools.weather.get-forecast.parameters: has a date or"),
    ("properties.days =", "additionalProperties = true\nproperties.days = {} #", "tools.weather.get-forecast.query: further"),
    ("properties.days =", "properties.days = { type = 'integer', default = 'x' } #", "tools.weather.get-forecast.parameters.properties.days.default: does not fit"),
    ("properties.unit.enum =", "properties.unit.default = 'K'\nproperties.unit.enum =", "tools.weather.get-forecast.parameters.properties.unit.default: does not fit"),
    ("type = \"object\"", "type = 'thing'", "tools.weather.get-forecast.output: is not a JSON Schema"),
    ("[tools.weather.get-forecast]", "[tools.weather.'']\npath='/'\n[tools.weather.get-forecast]", "tools.weather.\"\": tool 'weather.' has no name"),
    ("[services.weather]", "homeiq = true\n[tools.data.get_devices]\npath = '/'\n[services.data]\nurl = 'http://x'\n[services.weather]", "tools.data.get_devices: is already defined by homeiq"),
    ("[services.weather]", "homeiq = 'yes'\n[services.weather]", "homeiq: must be true or false"),
    ("[services.weather]", "[service.x]\n[services.weather]", "service: unknown; did you mean 'services'?"),
    ("[services.weather]", "[services.weather", ""),
    ("[tools.weather.get-forecast.output]", "[services.weather]", "duplicate key"),
];

#[test]
fn each_problem_has_its_line_and_key() {
    for (line, other, expected) in CHANGES {
        assert!(WEATHER.contains(&format!("\n{line}")), "{line}");
        let text = WEATHER.replacen(&format!("\n{line}"), &format!("\n{other}"), 1);
        let problems = parse(&text).expect_err(other);
        let shown = problems.join("\n");
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{other}: {shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
        for problem in &problems {
            let number: usize =
                problem.strip_prefix("tools.toml:").unwrap().split(':').next().unwrap().parse().unwrap();
            assert!((1..=text.lines().count()).contains(&number), "{problem}");
        }
    }
}

#[test]
fn all_problems_are_reported_together_in_order() {
    let text =
        "[services.a]\nurl = 'x'\nsinged = true\n\n[tools.a.b]\ntimeout = 'long'\n[tools.c.d]\npath = '/'\n";
    let expected = [
        "tools.toml:2: services.a.url: has another scheme or none; must be http:// or https://, host, optional :port, \
         optional path",
        "tools.toml:3: services.a.singed: unknown; did you mean 'signed'? the keys are url, headers, ca_file, signed",
        "tools.toml:5: tools.a.b.path: is missing; set it as in path = \"/v1/{city}/forecast\"",
        "tools.toml:6: tools.a.b.timeout: must be a number, not a string",
        "tools.toml:7: tools.c.d.service: there is no service 'c'; add [services.c] with its url",
    ];
    assert_eq!(parse(text).unwrap_err(), expected);
    assert_eq!(parse("a =\nb = ]\n").unwrap_err().len(), 2);
}

#[test]
fn hostile_files_are_refused() {
    let deep = format!("x = {}", "[".repeat(100_000));
    let keys = format!("{}x = 1", "a.".repeat(100_000));
    for text in
        [&deep, &keys, "\0", "\u{feff}x", "[[services]]", "services = []", "tools.a = 1", "[tools]\na.b = 1"]
    {
        assert!(parse(text).is_err(), "{}", &text[..text.len().min(40)]);
    }
    assert!(parse("").unwrap().tools.is_empty());
}
