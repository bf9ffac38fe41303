//! The worker on a log in memory, where what matters is not the broker: a source that is keyed by person,
//! and definitions that change while the application runs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A panic is how a test says that something is wrong.

use std::sync::Arc;
use std::time::Duration;

use bespoke::codec::output::{SchemaIds, reading};
use bespoke::codec::registry::{Registry, RegistrySettings};
use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Output, Record};
use bespoke::runtime::embedded::{EmbeddedBroker, EmbeddedLog};
use bespoke::runtime::fault::{ExitCode, Fault};
use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::plan::{Now, Plan};
use bespoke::runtime::stores::MemoryStores;
use bespoke::runtime::topics::wishes;
use bespoke::runtime::worker::Worker;
use bespoke::service::build;
use serde_json::Value;

/// When every record was received: after all events, so that none lies in the future.
const RECEIVED: Timestamp = Timestamp::from_ms(1_770_000_000_000);

/// An application on a log in memory, with one worker.
struct Application {
    log: EmbeddedLog,
    plan: Arc<Plan>,
    worker: Worker<EmbeddedBroker>,
    sources: Vec<String>,
    turns: u64,
}

impl Application {
    fn start(yaml: &str) -> Application {
        let config =
            Config::load(yaml, "test.yaml", [], &Flags::new()).unwrap_or_else(|errors| panic!("{errors}"));
        let mut topics: Vec<(String, i32)> =
            wishes(&config).into_iter().map(|wish| (wish.name.into(), wish.partitions)).collect();
        let sources: Vec<String> = config
            .sources
            .iter()
            .map(|source| source.topic.to_string())
            .chain(config.broadcast_topics().map(ToString::to_string))
            .collect();
        topics.extend(sources.iter().map(|topic| (topic.clone(), config.partitions)));
        let log = EmbeddedLog::new(topics.iter().map(|(topic, partitions)| (topic.as_str(), *partitions)));
        let registry = Registry::connect(RegistrySettings::new("http://127.0.0.1:9")).unwrap();
        let ids = SchemaIds { profile_update: 1, decision: 2, segment_change: 3 };
        let plan = build::plan(&config, &registry, ids, Arc::new(MemoryStores), Instruments::silent());
        let plan = Arc::new(plan);
        let worker = worker(&log, &plan);
        Application { log, plan, worker, sources, turns: 0 }
    }

    /// The worker is gone, with its stores, and another takes its place.
    fn restart(&mut self) {
        self.worker = worker(&self.log, &self.plan);
    }

    fn send(&self, topic: &str, key: Option<&str>, value: &str) {
        let output = Output {
            topic: topic.into(),
            key: key.map(|key| key.as_bytes().to_vec()),
            value: Some(value.as_bytes().to_vec()),
            ..Output::default()
        };
        self.log.append(output, RECEIVED).unwrap();
    }

    /// Turns the worker until everything that was sent is committed, and due changes are made.
    fn settle(&mut self, also: &[&str]) {
        let mut topics: Vec<&str> = self.sources.iter().map(String::as_str).collect();
        topics.extend(also);
        for quiet in 0.. {
            self.turns += 1;
            self.worker.turn(now(self.turns)).unwrap();
            if quiet > 50 && self.log.is_consumed(&topics) {
                return self.worker.drain(now(self.turns)).unwrap();
            }
            assert!(quiet < 5_000, "the worker does not come to an end");
        }
    }

    fn read(&self, topic: &str) -> Vec<Record> {
        self.log.read(topic)
    }
}

/// A worker with new stores in memory.
fn worker(log: &EmbeddedLog, plan: &Arc<Plan>) -> Worker<EmbeddedBroker> {
    let changelog = Arc::clone(&plan.shared.topics.changelog);
    let broker = EmbeddedBroker::new(log.clone(), &plan.topics(), changelog, Arc::new(|| RECEIVED));
    let vitals = Vitals::new(1, Vec::new(), 10_000).worker(0);
    Worker::new(Arc::clone(plan), broker, vitals, now(0)).unwrap()
}

fn now(turn: u64) -> Now {
    // Ten milliseconds a turn, so that transactions grow old enough to be committed.
    Now { monotonic: Duration::from_millis(turn * 10), wall: RECEIVED }
}

fn viewed(message_id: &str, user: &str, at: &str) -> String {
    format!(
        r#"{{"type":"track","event":"product_viewed","messageId":"{message_id}","userId":"{user}",
            "timestamp":"{at}","properties":{{"productId":"p1","category":"shoes"}}}}"#
    )
}

#[test]
fn a_source_keyed_by_person_needs_no_hop() {
    let mut application = Application::start(
        "application: keyed\nids: user\nsources: [{topic: events, format: json, keyed: true}]\n\
         topics: {partitions: 4, replication: 1}\n\
         catalogue: {items: [{content_id: hero-shoes, weights: {shoes: 1}, base_weight: 1}]}\n\
         interests: {category: {facet: category, half_life: 7d, weights: {product_viewed: 1}, enter: 3, leave: 2}}\n\
         slots: {home: {items: 1, interest: category, fallback: [welcome]}}\n",
    );
    for user in ["ada", "bob", "cy"] {
        application.send("events", Some(user), &viewed(&format!("v-{user}"), user, "2026-01-05T10:00:00Z"));
    }
    let request = r#"{"type":"track","event":"decision_request","messageId":"r1","userId":"ada",
        "timestamp":"2026-01-05T10:01:00Z","properties":{"requestId":"q1","slot":"home"}}"#;
    application.send("events", Some("ada"), request);
    application.send("events", Some("bob"), &viewed("misplaced", "ada", "2026-01-05T10:02:00Z"));
    application.send("events", Some("ada"), "{\"broken");
    application.settle(&[]);

    let decisions = application.read("keyed-content-decisions");
    assert_eq!(decisions.len(), 1);
    let decision = reading::decode_decision(decisions[0].value.as_ref().unwrap()).unwrap();
    assert_eq!((&*decision.person, &*decision.ranked[0].content_id), ("ada", "hero-shoes"));
    let mut updated: Vec<_> =
        application.read("keyed-profile-updates").into_iter().map(|record| record.key.unwrap()).collect();
    updated.sort();
    assert_eq!(updated, [b"ada".to_vec(), b"bob".to_vec(), b"cy".to_vec()]);
    let mut codes: Vec<String> = application
        .read("keyed-dead-letters")
        .iter()
        .flat_map(|record| record.headers.clone())
        .filter(|header| header.name == "bespoke.error.code")
        .map(|header| String::from_utf8(header.value.unwrap()).unwrap())
        .collect();
    codes.sort();
    assert_eq!(codes, ["invalid_field", "malformed_json"]);
}

#[test]
fn new_definitions_hold_from_their_place_in_the_log_and_for_everybody() {
    let definitions = |half_life: &str| {
        format!(
            "interests: {{category: {{facet: category, half_life: {half_life}, weights: {{product_viewed: 1}}, \
             enter: 2, leave: 1, as_segments: true}}}}\n"
        )
    };
    let mut application = Application::start(&format!(
        "application: changing\nsources: [{{topic: events, format: json}}]\n\
         topics: {{partitions: 1, replication: 1}}\ndefinitions: {{topic: definitions}}\n{}",
        definitions("30d")
    ));
    let commands = ["changing-commands"];
    for number in 0..2 {
        application.send("events", None, &viewed(&format!("a{number}"), "ada", "2026-01-05T10:00:00Z"));
    }
    application.settle(&commands);
    let changes = |application: &Application| -> Vec<(String, bool)> {
        let records = application.read("changing-segment-changes");
        let read = |record: &Record| {
            let change = reading::decode_segment_change(record.value.as_ref().unwrap()).unwrap();
            (change.segment.to_string(), format!("{:?}", change.change) == "Entered")
        };
        records.iter().map(read).collect()
    };
    assert_eq!(changes(&application), [("category:shoes".to_owned(), true)]);

    // With a half-life of 30 days the tag would be lost in February. With one day it is lost on the 6th,
    // though nothing of Ada's happens any more.
    application.send("definitions", None, &definitions("1d"));
    application.settle(&commands);
    application.send("events", None, &viewed("b1", "bob", "2026-01-07T10:00:00Z"));
    application.settle(&commands);
    assert_eq!(
        changes(&application),
        [("category:shoes".to_owned(), true), ("category:shoes".to_owned(), false)]
    );

    application.send("definitions", None, "interests: {category: {facet: colour}}");
    application.settle(&commands);
    assert_eq!(application.read("changing-dead-letters").len(), 1, "bad definitions change nothing");
}

#[test]
fn what_became_of_a_change_stands_on_the_status_topic() {
    let mut application = Application::start(
        "application: told\nsources: [{topic: events, format: json}]\n\
         topics: {partitions: 1, replication: 1, status: said}\n\
         definitions: {topic: definitions}\ncatalogue: {topic: content}\nsite_shares: {topic: shares}\n",
    );
    let withdraw = |topic: &str, key: &str| {
        let key = Some(key.as_bytes().to_vec());
        application.log.append(Output { topic: topic.into(), key, ..Output::default() }, RECEIVED).unwrap();
    };
    application.send("definitions", None, "lateness: 1h\n");
    application.send("definitions", None, "lateness: 1h\nlatenes: 2h\n");
    application.send("content", Some("hero"), r#"{"base_weight": 1}"#);
    application.send("content", Some("hero-2"), r#"{"base_weight": "heavy"}"#);
    withdraw("content", "hero");
    application.send("shares", Some("category"), "[]");
    application.settle(&["told-commands"]);

    let schema =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/status.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let mut told: Vec<(String, String)> = Vec::new();
    for record in application.read("said") {
        let value = record.value.map_or(Value::Null, |value| serde_json::from_slice(&value).unwrap());
        assert!(value.is_null() || schema.is_valid(&value), "{value}");
        let what = ["state", "offset", "code"].map(|name| value[name].to_string());
        told.push((String::from_utf8(record.key.unwrap()).unwrap(), what.join(" ")));
        if value["state"] == "REFUSED" && value["kind"] == "definitions" {
            let message = value["message"].as_str().unwrap();
            assert!(message.contains("definitions:2:1") && message.contains("lateness"), "{message}");
        }
        assert_eq!(
            value["fingerprint"].is_string(),
            told.last().unwrap().1.starts_with("\"ACCEPTED\" 0 null") && value["kind"] == "definitions"
        );
    }
    told.sort();
    let of = |key: &str, what: &str| (key.to_owned(), what.to_owned());
    assert_eq!(
        told,
        [
            of("content/hero", "\"ACCEPTED\" 0 null"),
            of("content/hero", "null null null"),
            of("content/hero-2", "\"REFUSED\" 1 \"invalid_field\""),
            of("definitions", "\"ACCEPTED\" 0 null"),
            of("definitions", "\"REFUSED\" 1 \"invalid_definitions\""),
            of("site_shares/category", "\"REFUSED\" 0 \"invalid_field\""),
        ]
    );
    assert_eq!(application.read("told-dead-letters").len(), 3);
}

/// A state that is smaller than what the group has read would answer as if nothing were missing.
#[test]
fn an_empty_changelog_behind_a_group_that_has_read_is_no_new_application() {
    let mut application = Application::start(
        "application: robbed\nsources: [{topic: events, format: json}]\n\
         topics: {partitions: 1, replication: 1}\n",
    );
    application.send("events", None, &viewed("m1", "ada", "2026-01-05T10:00:00Z"));
    application.settle(&["robbed-commands"]);
    application.restart();
    application.settle(&["robbed-commands"]);

    application.log.empty("robbed-profile-changelog");
    application.restart();
    let fault = (1..100).find_map(|turn| application.worker.turn(now(turn)).err());
    let Some(Fault::Stop(exit)) = fault else { panic!("it went on: {fault:?}") };
    assert_eq!(exit.code, ExitCode::Inconsistent);
    assert!(exit.text.contains("committed offset 1"), "{}", exit.text);
}
