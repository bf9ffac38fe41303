//! The demo as people run it: the binary, its exit code and its last line, with numbers that the shop's
//! generator says and not the demo.

// Everything in here is a test, which clippy sees only of functions marked so.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::process::{Command, Output};

use bespoke::cli::demo::shop_settings;
use bespoke::service::registry_server::RegistryServer;
use bespoke::shop::{Kind, Shop};

const EVENTS: usize = 2_000;
const SEED: u64 = 42;

fn demo(arguments: &[&str]) -> Output {
    let (events, seed) = (EVENTS.to_string(), SEED.to_string());
    Command::new(env!("CARGO_BIN_EXE_bespoke"))
        .args(["demo", "--fast", "--events", &events, "--seed", &seed])
        .args(arguments)
        .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap()
}

/// Checks the exit code and the numbers.
fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    assert!(!text.contains('\u{1b}'), "a pipe gets no colours");

    let last = text.lines().last().unwrap();
    let decisions = last
        .strip_prefix("demo: 2,000 events, ")
        .and_then(|rest| rest.strip_suffix(" decisions, nothing lost, nothing doubled, 1 kill survived"))
        .unwrap_or_else(|| panic!("the last line is: {last}"));
    let decisions: usize = decisions.replace(',', "").parse().unwrap();

    let records: Vec<_> = Shop::new(shop_settings(EVENTS, SEED)).collect();
    let count = |kind: fn(&Kind) -> bool| records.iter().filter(|record| kind(&record.kind)).count();
    let copies = count(|kind| *kind == Kind::Duplicate);
    let malformed = count(|kind| matches!(kind, Kind::Malformed(_)));
    let requests = records.iter().filter(|record| record.kind == Kind::Good);
    let requests =
        requests.filter(|record| String::from_utf8_lossy(&record.value).contains("requestId")).count();
    for wanted in [
        format!("every usable event is one command: {} events; 0 missing, 0 too many", EVENTS - malformed),
        format!("every request has one decision: {requests} requests; 0 missing, 0 too many"),
        format!("every malformed record is one dead letter: {malformed}:"),
        format!("every repeated event counts once: {copies} copies sent, {copies} recognised"),
    ] {
        assert!(text.contains(&format!("✓ {wanted}")), "no `{wanted}` in:\n{text}");
    }
    assert!(decisions >= requests, "{decisions} decisions, {requests} requests");
    assert!(text.contains("decision for home_hero") && text.contains("affinity: category"), "{text}");
}

#[test]
fn without_a_kafka_nothing_is_lost_or_doubled() {
    assert_passed(&demo(&["--embedded"]));
}

#[test]
fn on_kafka_nothing_is_lost_or_doubled_by_a_kill() {
    let Some(bootstrap) = std::env::var_os("BOOTSTRAP").filter(|bootstrap| !bootstrap.is_empty()) else {
        let in_ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
        assert!(!in_ci, "BOOTSTRAP is not set, and in CI a missing Kafka is a failure");
        return;
    };
    let registry = RegistryServer::start_on_thread(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let output = demo(&["--bootstrap", bootstrap.to_str().unwrap(), "--registry", &registry.url()]);
    assert_passed(&output);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("kill -9 ") && text.contains("first new commit"), "{text}");
}

#[test]
fn the_demo_says_what_it_needs() {
    let output = Command::new(env!("CARGO_BIN_EXE_bespoke")).arg("demo").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("--embedded") && text.contains("--bootstrap"), "{text}");
}
