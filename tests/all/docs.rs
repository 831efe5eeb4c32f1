//! The `OpenAPI` document and the page that shows it.

use std::collections::BTreeSet;

use ai_code_executor::server::Settings;
use serde_json::{Value, json};

use crate::local::Local;

fn local() -> Local {
    Local::start_unready(Settings::default())
}

#[test]
fn the_documentation_page_loads_nothing_from_other_hosts() {
    let local = local();
    for path in ["/", "/docs"] {
        let answer = local.get(path);
        assert!((300..400).contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("location"), Some("docs/"), "{path}");
    }
    let page = local.get("/docs/").body;
    let quoted = page.split(" href=\"").skip(1).chain(page.split(" src=\"").skip(1));
    let files: BTreeSet<&str> = quoted.filter_map(|text| text.split('"').next()).collect();
    assert!(files.len() >= 4, "{page}");
    for file in files {
        assert!(file.starts_with("./") || !file.contains('/'), "{file} is elsewhere");
        assert_eq!(local.get(&format!("/docs/{}", file.trim_start_matches("./"))).status, 200, "{file}");
    }
    let initializer = local.get("/docs/swagger-initializer.js").body;
    assert!(initializer.contains(r#""url": "../openapi.json""#), "{initializer}");
    assert!(initializer.contains(r#""validatorUrl": "none""#), "{initializer}");
    assert!(!page.contains("://") && !initializer.contains("://"), "{page}{initializer}");
}

/// Users type the token into the page.
#[test]
fn the_documentation_page_cannot_be_embedded() {
    let local = local();
    for path in ["/docs", "/docs/", "/docs/swagger-ui.css", "/docs/swagger-initializer.js", "/docs/nothing"] {
        let answer = local.get(path);
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path}: {answer:?}"));
        for directive in
            ["default-src 'none'", "script-src 'self';", "connect-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
    }
    // An inline script would need a policy that allows all scripts.
    let page = local.get("/docs/").body;
    let scripts: Vec<&str> =
        page.split("<script").skip(1).filter_map(|text| text.split("</script>").next()).collect();
    assert!(
        scripts.len() >= 3
            && scripts.iter().all(|script| script.contains("src=") && script.trim_end().ends_with('>')),
        "{page}"
    );
}

#[test]
fn openapi_describes_every_path_and_status() {
    let local = local();
    let document = local.get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let ways_to_show_the_token = json!({
        "token": {"type": "apiKey", "in": "header", "name": "X-Executor-Token"},
        "bearer": {"type": "http", "scheme": "bearer"},
    });
    assert_eq!(document["components"]["securitySchemes"], ways_to_show_the_token);
    let statuses = |path: &str, method: &str| -> Vec<String> {
        let responses = document["paths"][path][method]["responses"].as_object();
        responses.map(|responses| responses.keys().cloned().collect()).unwrap_or_default()
    };
    let program = ["200", "400", "401", "403", "408", "413", "415", "421", "422", "429", "500", "503"];
    let with = |others: &[&'static str]| {
        let mut all: Vec<_> = program.iter().copied().chain(others.iter().copied()).collect();
        all.sort_unstable();
        all
    };
    let paths = [
        ("/execute", &["202", "404", "410", "507"][..]),
        ("/check", &[]),
        ("/executions/{id}/resume", &["404", "409", "410"]),
    ];
    for (path, others) in paths {
        assert_eq!(statuses(path, "post"), with(others), "{path}");
        let security = &document["paths"][path]["post"]["security"];
        assert_eq!(security, &json!([{"token": []}, {"bearer": []}]), "either will do");
    }
    let tokened = ["200", "400", "401", "403", "421", "422", "500", "503"];
    for path in ["/executions", "/states"] {
        assert_eq!(statuses(path, "get"), tokened, "{path}");
    }
    for path in ["/executions/{id}", "/states/{handle}"] {
        let all = ["204", "400", "401", "403", "404", "421", "422", "500", "503"];
        assert_eq!(statuses(path, "delete"), all, "{path}");
    }
    for path in ["/health", "/metrics", "/ready"] {
        assert_eq!(statuses(path, "get"), ["200", "400", "403", "421", "503"]);
    }
    assert_eq!(statuses("/tools", "get"), ["200", "400", "403", "421", "422", "503"]);
    let schemas = &document["components"]["schemas"];
    for request in ["ExecuteRequest", "CheckRequest"] {
        assert_eq!(schemas[request]["additionalProperties"], json!(false), "{schemas}");
    }
    assert_eq!(schemas["ExecuteResponse"]["properties"]["return_value"].get("type"), None::<&Value>);
}

/// Generated clients get a type for each set of names.
#[test]
fn openapi_lists_outcomes_codes_and_rules() {
    let schemas = local().get("/openapi.json").json()["components"]["schemas"].clone();
    let names = |schema: &str| -> BTreeSet<String> {
        assert_eq!(schemas[schema]["type"], "string", "{schema}");
        let names = schemas[schema]["enum"].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let outcomes =
        ["cancelled", "completed", "cpu_limit", "failure", "lost", "memory_limit", "timeout", "waiting"];
    assert_eq!(names("Outcome"), outcomes.map(str::to_owned).into());
    assert!(names("Rule").contains("import_not_permitted") && names("Rule").len() == 12);
    assert!(names("Code").is_superset(&names("Rule")) && names("Code").contains("overloaded"));
    let refers = |schema: &str, property: &str, to: &str| {
        let property = schemas[schema]["properties"][property].to_string();
        assert!(property.contains(&format!("#/components/schemas/{to}\"")), "{schema}: {property}");
    };
    refers("ExecuteResponse", "outcome", "Outcome");
    refers("RefusalBody", "code", "Code");
    refers("FindingDetail", "code", "Rule");
}

/// Every schema that `paths` refers to must exist.
#[test]
fn openapi_has_a_schema_for_every_answer_and_refusal() {
    let document = local().get("/openapi.json").json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                if status == "204" {
                    continue;
                }
                let content =
                    response["content"].as_object().unwrap_or_else(|| panic!("{method} {path} {status}"));
                let schema = &content.values().next().unwrap()["schema"];
                let reference =
                    schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
                if let Some(name) = reference {
                    assert!(document["components"]["schemas"][name].is_object(), "{name}");
                }
                let is_refusal = !status.starts_with('2');
                assert_eq!(
                    reference == Some("RefusalBody"),
                    is_refusal,
                    "{method} {path} {status}: {schema}"
                );
                let header = match status.as_str() {
                    "401" => Some("www-authenticate"),
                    "429" | "503" => Some("retry-after"),
                    _ => None,
                };
                let has = |name: &str| response["headers"][name]["schema"]["type"].is_string();
                assert!(header.is_none_or(has), "{method} {path} {status}: {response}");
            }
        }
    }
}
