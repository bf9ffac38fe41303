//! The habits of the house, held by a test: floors, lengths, names, and the homes of foreign crates. It
//! reads the sources as text; it does not judge what they do.

#![allow(clippy::unwrap_used)] // A panic is how a test says that something is wrong.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// The floors, lowest first. A module may use those of its own floor and below.
const FLOORS: [&[&str]; 6] =
    [&["domain", "mutant"], &["codec", "config", "shop"], &["store"], &["runtime"], &["service"], &["cli"]];

/// Foreign crates, and the only places that may name them.
const HOMES: [(&str, &[&str]); 17] = [
    ("rdkafka", &["runtime/kafka/"]),
    ("rocksdb", &["store/rocks"]),
    ("tokio", &["service/", "codec/registry", "runtime/kafka/admin.rs", "cli/"]),
    ("axum", &["service/"]),
    ("apache_avro", &["codec/", "service/registry_server"]),
    ("schema_registry_converter", &["codec/registry"]),
    ("cel", &["domain/expression", "domain/scope.rs"]),
    ("postcard", &["codec/"]),
    ("prometheus", &["service/metrics"]),
    ("serde_saphyr", &["config/", "cli/test"]),
    ("clap", &["cli/", "main.rs"]),
    ("jsonschema", &["codec/event_schema/"]),
    ("bumpalo", &["codec/wire/"]),
    ("hashbrown", &["store/overlay"]),
    ("smallvec", &["domain/", "codec/wire/"]),
    ("thin_vec", &["domain/", "codec/"]),
    ("tikv_jemallocator", &["main.rs"]),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "manager", "misc", "common", "shared"];

struct Source {
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<Source> = files
        .into_iter()
        .map(|file| Source {
            path: file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/"),
            text: fs::read_to_string(&file).unwrap(),
        })
        .collect();
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn imports_point_downward() {
    let mut findings = Vec::new();
    for source in sources() {
        let module = source.path.split(['/', '.']).next().unwrap();
        let Some(floor) = floor_of(module) else { continue };
        for (number, line) in source.text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            for used in line.split("crate::").skip(1) {
                let used = used.split(|next: char| !next.is_alphanumeric() && next != '_').next().unwrap();
                if floor_of(used).is_some_and(|other| other > floor) {
                    findings.push(format!("{}:{}: {module} uses {used}, above it", source.path, number + 1));
                }
            }
        }
    }
    assert_none(findings);
}

#[test]
fn foreign_crates_stay_at_home() {
    let mut findings = Vec::new();
    for source in sources() {
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| source.path.starts_with(home));
            let named =
                |line: &str| line.contains(&format!("{name}::")) || line.contains(&format!("use {name}"));
            let foreign = |line: &str| {
                line.split(name).zip(line.split(name).skip(1)).any(|(before, after)| {
                    let starts =
                        !before.ends_with(|last: char| last.is_alphanumeric() || "_:/".contains(last));
                    starts && (after.starts_with("::") || after.starts_with(';'))
                })
            };
            for (number, line) in source.text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
                if !at_home && named(line) && foreign(line) {
                    findings.push(format!(
                        "{}:{}: {name} has its home in {homes:?}",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    assert_none(findings);
}

#[test]
fn files_and_functions_are_short() {
    let mut findings = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(format!("{}: {lines} lines; at most {FILE_LINES_MAX}", source.path));
        }
        for (name, length) in functions(&source.text) {
            if length > FUNCTION_LINES_MAX {
                findings.push(format!(
                    "{}: {name} has {length} lines; at most {FUNCTION_LINES_MAX}",
                    source.path
                ));
            }
        }
    }
    assert_none(findings);
}

#[test]
fn files_say_what_they_are_and_names_say_something() {
    let mut findings = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            findings.push(format!("{}: does not open with what it is", source.path));
        }
        let name = source.path.trim_end_matches(".rs");
        if name.split('/').any(|part| EMPTY_NAMES.contains(&part)) {
            findings.push(format!("{}: a name that says nothing", source.path));
        }
    }
    assert_none(findings);
}

#[test]
fn nothing_is_left_unfinished_or_ignored() {
    let mut findings = Vec::new();
    let marks = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "#[ig".to_owned() + "nore",
        "To co".to_owned() + "me.",
    ];
    for source in sources() {
        for mark in &marks {
            if source.text.contains(mark) {
                findings.push(format!("{}: {mark}", source.path));
            }
        }
    }
    assert_none(findings);
}

/// A configured number that is a size or a time says its unit, with the qualifier last.
#[test]
fn limits_have_their_units_in_their_names() {
    let units = ["_ms", "_bytes", "_hours", "_seconds"];
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("config/")) {
        for (number, line) in source.text.lines().enumerate() {
            let Some(field) = line.trim().strip_prefix("pub ").and_then(|rest| rest.split_once(": ")) else {
                continue;
            };
            let (name, kind) = field;
            let number_like = ["u64,", "u32,", "i64,", "usize,"].contains(&kind);
            let timed = ["timeout", "age", "gap", "window", "cache", "buffer", "interval"]
                .iter()
                .any(|word| name.split('_').any(|part| part == *word));
            if number_like && timed && !units.iter().any(|unit| name.contains(unit)) {
                findings.push(format!("config:{}: {name} does not say its unit", number + 1));
            }
            if name.starts_with("max_") || name.starts_with("min_") {
                findings.push(format!("config:{}: {name}: the qualifier goes last", number + 1));
            }
        }
    }
    assert_none(findings);
}

/// Every promise names the tests that hold it, as `tests/FILE::NAME`.
#[test]
fn tests_that_hold_a_promise_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/guarantees.rs")).unwrap();
    let named: Vec<&str> = page.split('`').filter(|text| text.starts_with("tests/")).collect();
    let (mut findings, mut tests) = (Vec::new(), 0);
    for name in named {
        let (file, test) = name.split_once("::").unwrap_or((name, ""));
        let Ok(text) = fs::read_to_string(root.join(file)) else {
            findings.push(format!("{name}: there is no such file"));
            continue;
        };
        if !test.is_empty() {
            tests += 1;
            if !text.contains(&format!("#[test]\nfn {test}()")) {
                findings.push(format!("{name}: there is no such test"));
            }
        }
    }
    let promises = page.lines().filter(|line| line.starts_with("//! | ") && !line.contains("---"));
    for line in promises.skip(1).filter(|line| !line.contains("`tests/")) {
        findings.push(format!("nothing holds: {line}"));
    }
    assert!(tests > 15, "the promises were not found");
    assert_none(findings);
}

#[test]
fn the_lints_are_the_agreed_ones() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    for lint in [
        "unsafe_code = \"forbid\"",
        "missing_docs = \"deny\"",
        "unwrap_used = \"deny\"",
        "indexing_slicing = \"deny\"",
        "print_stdout = \"deny\"",
        "disallowed_methods = \"deny\"",
        "overflow-checks = true",
    ] {
        assert!(manifest.contains(lint), "Cargo.toml lacks {lint}");
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The functions of a source with their numbers of lines, found by their indentation, which rustfmt keeps.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let is_function =
            ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "pub async fn "]
                .iter()
                .any(|opening| code.starts_with(opening));
        if !is_function || is_comment(line) {
            continue;
        }
        // A method of a trait may have no body.
        let opening = lines.iter().skip(start).find(|line| line.ends_with('{') || line.ends_with(';'));
        if opening.is_none_or(|line| line.ends_with(';')) {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        let length = lines.iter().skip(start).position(|line| *line == closing).map_or(0, |end| end + 1);
        let name = code.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next()).unwrap_or("?");
        functions.push((name.to_owned(), length));
    }
    functions
}

/// What is shipped as an example can be used as it is.
#[test]
fn shipped_configurations_are_valid_and_give_no_warnings() {
    use bespoke::config::Config;
    use bespoke::config::overlay::Flags;

    for file in ["deploy/base/bespoke.yaml", "src/shop/shop.yaml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        match Config::load(&text, file, [], &Flags::new()) {
            Ok(config) => assert!(config.warnings().is_empty(), "{file}: {:?}", config.warnings()),
            Err(errors) => panic!("{errors}"),
        }
    }
}
