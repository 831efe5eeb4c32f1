//! Settings from the environment, flags and files.

use std::process::Output;

use tempfile::NamedTempFile;

use crate::support::executor;

type Environment<'a> = &'a [(&'a str, &'a str)];

/// Runs `command` with `settings` as its environment, and `flags`.
fn start(command: &str, settings: Environment<'_>, flags: &[&str]) -> Output {
    executor().arg(command).envs(settings.iter().copied()).args(flags).output().unwrap()
}

/// Returns source and value of the setting `name`, as printed by `config`.
fn effective(name: &str, settings: Environment<'_>, flags: &[&str]) -> (String, String) {
    let output = start("config", settings, flags);
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stderr}");
    let line = stdout.lines().find(|line| line.split_whitespace().next() == Some(name)).expect(name);
    let mut words = line.split_whitespace().skip(1).map(str::to_owned);
    (words.next().unwrap(), words.collect())
}

fn file(content: &str) -> (NamedTempFile, String) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, content).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

#[test]
fn flags_override_the_environment_which_overrides_defaults() {
    let (_file, path) = file("a-token-of-my-own\n");
    let cases: [(&str, Environment<'_>, &[&str], &str, &str); 9] = [
        ("EXECUTION_TIMEOUT", &[], &[], "default", "30"),
        ("EXECUTION_TIMEOUT", &[("EXECUTION_TIMEOUT", "5")], &[], "environment", "5"),
        ("EXECUTION_TIMEOUT", &[("EXECUTION_TIMEOUT", "5")], &["--execution-timeout", "6"], "flag", "6"),
        ("EXECUTION_TIMEOUT", &[("EXECUTION_TIMEOUT", "")], &[], "default", "30"),
        ("ALLOWED_IMPORTS", &[("ALLOWED_IMPORTS", "re, json")], &[], "environment", "json,re"),
        ("EXECUTOR_API_TOKEN", &[], &[], "default", "********"),
        ("EXECUTOR_API_TOKEN", &[("EXECUTOR_API_TOKEN", "")], &[], "environment", ""),
        ("EXECUTOR_API_TOKEN", &[("EXECUTOR_API_TOKEN_FILE", &path)], &[], "file", "********"),
        (
            "EXECUTOR_API_TOKEN",
            &[("EXECUTOR_API_TOKEN", "")],
            &["--executor-api-token-file", &path],
            "file",
            "********",
        ),
    ];
    for (name, settings, flags, source, value) in cases {
        let found = effective(name, settings, flags);
        assert_eq!(found, (source.to_owned(), value.to_owned()), "{name} {settings:?} {flags:?}");
    }
}

#[test]
fn the_cache_is_in_the_users_home_unless_told_otherwise() {
    let cases: [(Environment<'_>, &str); 5] = [
        (&[("HOME", "/h")], "/h/.cache/ai-code-executor"),
        (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/ai-code-executor"),
        (&[("HOME", "/h"), ("XDG_CACHE_HOME", "relative")], "/h/.cache/ai-code-executor"),
        (&[("HOME", "/h"), ("CACHE_DIR", "/c")], "/c"),
        (&[], ""),
    ];
    for (settings, dir) in cases {
        let settings = [&[("CACHE_DIR", "")], settings].concat();
        assert_eq!(effective("CACHE_DIR", &settings, &[]).1, dir, "{settings:?}");
    }
}

#[test]
fn all_invalid_settings_are_reported_together() {
    let settings = [
        ("EXECUTION_TIMEOUT", "soon", "must be a number from 0.1 to 86400"),
        ("MAX_CPU_PERCENT", "NaN", "must be a number"),
        ("MAX_MEMORY_MB", "1", "must be a whole number from 48 to 4096"),
        ("MAX_OUTPUT_BYTES", "-1", "must be a whole number from 0 to 268435456"),
        ("MAX_RESULT_BYTES", "1e6", "must be a whole number from 0 to 268435456"),
        ("MAX_CONCURRENT_EXECUTIONS", "0", "must be a whole number from 1 to 10000"),
        ("MAX_QUEUED_EXECUTIONS", "many", "must be a whole number from 0 to 1000000"),
        ("MAX_CODE_BYTES", "65537", "must be a whole number from 1 to 65536"),
        ("MAX_AST_NODES", "0", "must be a whole number from 1 to 1000000"),
        ("MAX_CONTEXT_BYTES", "1TB", "must be a whole number from 0 to 268435456"),
        ("MAX_CONTEXT_DEPTH", "101", "must be a whole number from 0 to 100"),
        ("ALLOWED_IMPORTS", "json,+os", "mixes names"),
        ("HOST", "house", "must be an IP address"),
        ("SERVICE_PORT", "99999", "must be a whole number from 0 to 65535"),
        ("ALLOWED_HOSTS", "http://house.example", "must be a name or an address"),
        ("ALLOWED_ORIGINS", "*", "would accept every web page"),
        ("SHUTDOWN_GRACE", "-1", "must be a number from 0 to 86400"),
        ("EXECUTOR_API_TOKEN_FILE", "/no/such/file", "cannot be read: No such file"),
        ("HARDENING", "maybe", "must be one of on, require, off"),
        ("LOG_LEVEL", "LOUD", "must be one of DEBUG, INFO, WARNING, ERROR"),
        ("LOG_FORMAT", "xml", "must be one of text, json"),
        ("LOG_CODE", "perhaps", "must be true or false"),
        ("ENABLE_MCP_NETWORK_TOOLS", "perhaps", "must be true or false"),
        ("TOOLS_CONFIG", "/no/such/file", "cannot be read: No such file"),
        ("DATA_API_URL", "data-api:8006", "must be http:// or https://"),
        ("AI_AUTOMATION_URL", "http://a?b", "has a query"),
        ("DEVICE_INTELLIGENCE_URL", "ftp://x", "must be http:// or https://"),
        ("TOOL_SIGNING_KEY_FILE", "/no/such/file", "cannot be read: No such file"),
        ("TOOL_TIMEOUT", "0", "must be a number from 0.1 to 86400"),
        ("MAX_TOOL_CALLS", "1000001", "must be a whole number from 0 to 1000000"),
        ("MAX_TOOL_CALLS_IN_FLIGHT", "0", "must be a whole number from 1 to 10000"),
        ("MAX_TOOL_REPLY_BYTES", "\u{7}", "must be a whole number from 0 to 268435456"),
    ];
    let environment: Vec<_> = settings.iter().map(|&(name, value, _)| (name, value)).collect();
    for command in ["serve", "prepare", "config", "health"] {
        let output = start(command, &environment, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert_eq!(said.lines().count(), 1 + settings.len(), "{said}");
        for (name, value, accepted) in settings {
            let flag = name.to_lowercase().replace('_', "-");
            let expected = format!("  {name} (--{flag}) is '{}': ", value.escape_debug());
            let line = said.lines().find(|line| line.starts_with(&expected)).expect(&expected);
            assert!(line.contains(accepted), "{line}");
        }
    }
}

#[test]
fn messages_show_no_secrets() {
    let (_file, path) = file("from-a-file");
    let (_empty, empty) = file("\n");
    let (_lines, lines) = file("from-a-file\nand-more\n");
    let (_tools, tools) =
        file("[services.a]\nurl = 'http://u:${HOME}@a'\nheaders = { a = \"${HOME}\\u0001\" }\n");
    let key = "s3cret0123456789s3cret0123456789";
    let cases: [(Environment<'_>, &str); 15] = [
        (
            &[("TOOL_SIGNING_KEY", "s3cret")],
            "has 6 bytes; use at least 32 random ones; make a key with `openssl rand -base64 32`",
        ),
        (&[("TOOL_SIGNING_KEY", key), ("TOOL_SIGNING_KEY_FILE", &path)], "set one of the two"),
        (
            &[("TOOL_SIGNING_KEY_FILE", &lines)],
            "TOOL_SIGNING_KEY (--tool-signing-key) is ********: has white space",
        ),
        (
            &[("ENABLE_MCP_NETWORK_TOOLS", "true")],
            "TOOL_SIGNING_KEY (--tool-signing-key) is empty: ENABLE_MCP",
        ),
        (&[("TOOLS_CONFIG", &tools), ("HOME", "s3cret")], ":2: services.a.url: has a user name"),
        (
            &[("TOOLS_CONFIG", &tools), ("HOME", "s3cret")],
            ":3: services.a.headers.a: has a control character",
        ),
        (&[("EXECUTOR_API_TOKEN", "s3cret"), ("EXECUTOR_API_TOKEN_FILE", &path)], "set one of the two"),
        (&[("EXECUTOR_API_TOKEN_FILE", &empty)], "the file is empty"),
        (&[("EXECUTOR_API_TOKEN_FILE", &lines)], "control character"),
        (&[("EXECUTOR_API_TOKEN", " s3cret")], "white space"),
        (&[("EXECUTOR_API_TOKEN", "change-me"), ("HOST", "0.0.0.0")], "HOST is open"),
        (
            &[("EXECUTOR_API_TOKEN", "s3cret"), ("HOST", "0.0.0.0")],
            "is shorter than 16 bytes: HOST is open to other machines, which requires a strong token; make one with",
        ),
        (
            &[("EXECUTOR_API_TOKEN", "s3cs3cs3cs3cs3cs3c"), ("ENVIRONMENT", "production")],
            "is a repetition of a few characters: ENVIRONMENT is production",
        ),
        (&[("ENVIRONMENT", "production")], "ENVIRONMENT is production"),
        (&[("EXECUTOR_API_TOKEN", ""), ("ENVIRONMENT", "prod")], "is empty: ENVIRONMENT is production"),
    ];
    for (settings, why) in cases {
        let output = start("serve", settings, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{settings:?}: {said}");
        assert!(said.contains(why), "{settings:?}: {said}");
        for secret in ["s3cret", "from-a-file", "change-me", "local-dev-token"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    let output = start("config", &[("EXECUTOR_API_TOKEN", "s3cret")], &[]);
    assert!(!String::from_utf8(output.stdout).unwrap().contains("s3cret"));
    let help = start("help", &[("EXECUTOR_API_TOKEN", "s3cret")], &[]);
    assert!(!String::from_utf8(help.stdout).unwrap().contains("s3cret"));
}

/// A file with a secret may be readable by owner and group, and writable by the owner only.
#[test]
fn secrets_readable_or_writable_by_others_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let key = "s3cret0123456789s3cret0123456789";
    let (file, path) = file(key);
    for variable in ["EXECUTOR_API_TOKEN_FILE", "TOOL_SIGNING_KEY_FILE"] {
        for (mode, why) in [
            (0o400, None),
            (0o600, None),
            (0o440, None),
            (0o640, None),
            (0o644, Some("other users can read the file (mode 0644)")),
            (0o404, Some("other users can read the file (mode 0404)")),
            (0o666, Some("other users can read the file (mode 0666)")),
            (0o660, Some("other users can change the file (mode 0660)")),
            (0o602, Some("other users can change the file (mode 0602)")),
        ] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            let output = start("config", &[(variable, &path)], &[]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.success(), why.is_none(), "{variable} {mode:o}: {said}");
            if let Some(why) = why {
                let flag = variable.to_lowercase().replace('_', "-");
                let line =
                    format!("{variable} (--{flag}) is '{path}': {why}; run `chmod 400` or `chmod 440` on it");
                assert!(said.contains(&line) && !said.contains(key), "{said}");
            }
        }
    }
}

#[test]
fn commands_other_than_serve_need_no_token() {
    let open = [("ENVIRONMENT", "production"), ("HOST", "0.0.0.0")];
    assert_eq!(start("check", &open, &["/dev/null"]).status.code(), Some(3));
}

#[test]
fn values_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    let output = executor().arg("config").env("LOG_LEVEL", odd).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("LOG_LEVEL (--log-level) is not UTF-8"), "{said}");
}

#[test]
fn logs_can_be_json() {
    let output = start("prepare", &[("LOG_FORMAT", "json")], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    let events: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(events.iter().any(|event| event["message"].is_string() && event["level"] == "INFO"), "{said}");
}

#[test]
fn a_registry_is_checked_even_if_tools_are_disabled() {
    let tool = "[services.weather]\nurl = 'http://weather'\n[tools.weather.now]\npath = '/now'\n";
    let (_file, path) = file(tool);
    let (_broken, broken) = file(&tool.replace("path", "pth"));
    let code =
        |import: &str| file(&format!("try:\n    import {import}\nexcept ImportError as e:\n    _ = str(e)"));
    let config = |path: &str| start("config", &[("TOOLS_CONFIG", path)], &[]);
    assert!(config(&path).status.success());
    let said = String::from_utf8(config(&broken).stderr).unwrap();
    for problem in
        [":3: tools.weather.now.path: is missing", ":4: tools.weather.now.pth: unknown; did you mean 'path'?"]
    {
        assert!(said.contains(&format!("{broken}{problem}")), "{said}");
    }
    for module in ["weather", "tools"] {
        let (_code, code) = code(module);
        let output = start("run", &[("TOOLS_CONFIG", &path)], &["--json", &code]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim(), "\"Network tools are disabled on this executor\"");
    }
    let (_code, code) = code("data");
    let output = start("run", &[("TOOLS_CONFIG", &path)], &[&code]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn an_allowed_module_that_the_interpreter_lacks_is_an_invalid_setting() {
    let cases = [
        (
            "+tomlib",
            "names 'tomlib', which this interpreter lacks: No module named 'tomlib'; did you mean 'tomllib'?",
        ),
        (
            "json,pandas",
            "names 'pandas', which this interpreter lacks: No module named 'pandas'; remove it, or name a module of docs/programs.md",
        ),
    ];
    for (value, message) in cases {
        for command in ["prepare", "serve"] {
            let output = start(command, &[("ALLOWED_IMPORTS", value), ("SERVICE_PORT", "0")], &[]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            let expected = format!("ai-code-executor: ALLOWED_IMPORTS {message}");
            assert!(
                said.lines().any(|line| line == expected) && !said.contains("Traceback"),
                "{command}: {said}"
            );
        }
    }
}

#[test]
fn an_image_needs_a_directory() {
    let output = start("prepare", &[("CACHE_DIR", "")], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), said.as_str()),
        (Some(2), "ai-code-executor: no directory for the image: set CACHE_DIR\n")
    );
}

#[test]
fn a_signing_key_may_be_pem() {
    let pem = |kind: &str, base64: &str| {
        format!("-----BEGIN {kind} KEY-----\n{base64}\n-----END {kind} KEY-----\n")
    };
    let private = pem("PRIVATE", "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF");
    let public = pem("PUBLIC", "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
    let (_file, path) = file(&private);
    let found = effective("TOOL_SIGNING_KEY", &[("TOOL_SIGNING_KEY_FILE", &path)], &[]);
    assert_eq!(found, ("file".to_owned(), "********".to_owned()));
    let cases: [(Environment<'_>, &str); 3] = [
        (
            &[("TOOL_SIGNING_KEY", &public)],
            "TOOL_SIGNING_KEY (--tool-signing-key) is ********: key 'ai-code-executor' is a public",
        ),
        (&[("TOOL_SIGNING_KEY", &private.replace("MC4", "AAA"))], "is PEM, but not an Ed25519 key"),
        (
            &[("TOOL_SIGNING_KEY", &private), ("TOOL_SIGNING_KEY_ID", "a b")],
            "TOOL_SIGNING_KEY_ID (--tool-signing-key-id) is 'a b': a key id",
        ),
    ];
    for (settings, why) in cases {
        let said = String::from_utf8(start("config", settings, &[]).stderr).unwrap();
        assert!(said.contains(why), "{said}");
    }
}
