//! The commands, run as people run them: the real binary, its standard output and its exit code. What needs
//! a broker runs when BOOTSTRAP names one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "commands/replay.rs"]
mod replay;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A call of the binary, in the root of the repository.
fn bespoke(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bespoke"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn output(arguments: &[&str]) -> Output {
    bespoke(arguments).output().unwrap()
}

fn standard_output(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn standard_error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A directory for one test, empty.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn every_scenario_of_the_shop_holds() {
    let output = output(&["test", "tests/scenarios", "--output", "ndjson"]);
    let text = standard_output(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", standard_error(&output));
    let verdicts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), 34);
    assert!(verdicts.iter().all(|verdict| verdict["passed"] == true && verdict["expectations"] != 0));
}

#[test]
fn a_scenario_that_does_not_hold_is_shown_at_its_place() {
    let file = "tests/scenarios/failing/wrong.yaml";
    let output = output(&["test", file]);
    assert_eq!(output.status.code(), Some(3), "{}", standard_error(&output));
    let text = standard_output(&output);
    let expected = std::fs::read_to_string("tests/scenarios/failing/wrong.txt").unwrap();
    assert_eq!(text, expected);
    let output = self::output(&["test", file, "--output", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let verdicts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failures = verdicts[0]["failures"].as_array().unwrap();
    let places: Vec<(u64, u64)> = failures
        .iter()
        .map(|failure| (failure["line"].as_u64().unwrap(), failure["column"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(7, 16), (8, 18), (9, 5)]);
    assert_eq!(failures[0]["differences"][0]["path"], "profile.attributes.views_7d");
}

#[test]
fn rules_that_set_one_another_off_for_ever_fail_a_scenario() {
    let directory = directory("loops");
    let config = "application: a\nsources: [{topic: clicks}]\nsegments: {s: {enter: traits.mark == 1}}\nrules:\n  \
                  a: {on: {event: x}, set: {mark: 1}}\n  b: {on: {entered: s}, set: {mark: 2}}\n  \
                  c: {on: {left: s}, set: {mark: 1}}\n";
    std::fs::write(directory.join("config.yaml"), config).unwrap();
    let event = "{event: x, userId: u, messageId: m, timestamp: 2026-01-05T10:00:00Z}";
    let scenario = format!("scenario: s\nconfig: config.yaml\nsteps:\n  - event: {event}\n");
    let file = directory.join("scenario.yaml");
    std::fs::write(&file, scenario).unwrap();
    let output = output(&["test", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(3), "{}", standard_error(&output));
    let complaint = ":4:5: four rules have set off one another, and `c` was not let fire any more";
    assert!(standard_output(&output).contains(complaint), "{}", standard_output(&output));
}

#[test]
fn what_is_no_scenario_is_refused() {
    let directory = directory("no-scenario");
    let write = |name: &str, text: &str| {
        let file = directory.join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shop/shop.yaml");
    let head = format!("scenario: s\nconfig: {}\nsteps:\n", config.display());
    for (text, complaint) in [
        ("  - {clock: +1h}\n", ":4:5: there is no time yet to move from"),
        ("  - {clock: 2026-01-05T10:00:00Z}\n  - {clock: 2026-01-05T09:00:00Z}\n", ":5:5: stream time is"),
        ("  - {event: {event: x}, source: nowhere}\n", "no source is called nowhere; there are clickstream"),
        ("  - {evnt: {}}\n", "evnt"),
    ] {
        let file = write("scenario.yaml", &format!("{head}{text}"));
        let output = output(&["test", &file]);
        assert_eq!(output.status.code(), Some(78), "{text}");
        assert!(standard_error(&output).contains(complaint), "{}", standard_error(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_schema_that_breaks_what_was_released_is_named() {
    let directory = directory("released-schemas");
    let schema = directory.join("schemas/page_viewed/1.json");
    std::fs::create_dir_all(schema.parent().unwrap()).unwrap();
    let config = directory.join("shop.yaml");
    let text = "application: shop\nsources: [{topic: clicks}]\nschemas: {directory: schemas}\n";
    std::fs::write(&config, text).unwrap();
    let git = |arguments: &[&str]| {
        let name = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
        let done = Command::new("git").current_dir(&directory).args(name).args(arguments).output().unwrap();
        assert!(done.status.success(), "git {arguments:?}: {}", standard_error(&done));
    };
    let check = |schema_now: &str, more: &[&str]| {
        std::fs::write(&schema, schema_now).unwrap();
        let output = output(&[&["schema", "check", "--config", config.to_str().unwrap()], more].concat());
        (output.status.code(), standard_output(&output) + &standard_error(&output))
    };
    git(&["init", "--quiet"]);
    assert_eq!(check(r#"{"maxProperties": 9}"#, &[]), (Some(0), "1 schemas, 0 findings\n".to_owned()));
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "release"]);

    let against = ["--against", "HEAD"];
    assert_eq!(check(r#"{"maxProperties": 10}"#, &against).0, Some(0), "what accepts more breaks nobody");
    let (code, said) = check(r#"{"maxProperties": 8}"#, &against);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("page_viewed/1.json at /maxProperties: the limit was 9 and is 8: whoever"),
        "{said}"
    );
    let (code, said) = check(r#"{"maxProperties": 9, "examples": [7, {}], "type": "object"}"#, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("/examples/0: does not fit `type: \"object\"` of the schema"), "{said}");

    std::fs::rename(&schema, schema.with_file_name("2.json")).unwrap();
    let gone = output(&["schema", "check", "--config", config.to_str().unwrap(), "--against", "HEAD"]);
    assert_eq!(gone.status.code(), Some(3));
    assert!(standard_output(&gone).contains("page_viewed/1.json: the version is gone"));
    std::fs::remove_file(schema.with_file_name("2.json")).unwrap();
    let (code, said) = check("{}", &["--against", "no-such-branch"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no-such-branch"), "{said}");
}

#[test]
fn every_command_has_two_examples() {
    for command in
        ["run", "topics", "lint", "config", "explain", "replay", "test", "registry", "schema", "dlq"]
    {
        let output = output(&[command, "--help"]);
        let text = standard_output(&output);
        let (_, examples) =
            text.split_once("Examples:").unwrap_or_else(|| panic!("{command} has no examples"));
        assert!(examples.matches(&format!("bespoke {command}")).count() >= 2, "{command}: {examples}");
    }
}
