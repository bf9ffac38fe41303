//! Scenario 17, beside `tests/kafka/registry.rs`: a registry that is there and fails, refuses or is silent.
//! A record whose schema is not known waits; it becomes no dead letter, and goes on soon after.

use std::time::Duration;

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use bespoke::service::process::connect_registry;

use super::app::{App, Shape};
use super::cluster::{Cluster, Sent, Turn, now, wait_until};
use super::dose::dose;
use super::load;
use super::moody::{Mood, MoodyRegistry};
use super::outputs;
use super::process::{Launch, RESTORED};

/// How long what waited may go on waiting.
const BACK_SECONDS_MAX: u64 = 30;
const MOODS: [Mood; 4] = [Mood::Status(500), Mood::Status(401), Mood::Status(503), Mood::Silent];

#[test]
fn scenario_17_a_registry_in_a_mood() {
    let name = "scenario_17_a_registry_in_a_mood";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let shape = Shape { sources: vec![("events", "avro", 2)], ..Shape::default() };
    let app = App::create(&cluster, "moody", &shape);
    let moody = MoodyRegistry::before(&app.registry.url());
    let client = connect_registry(&app.config).unwrap();
    let known = client.register("first", &schema("known")).unwrap();
    let mut process =
        Launch::of(0).with("registry.url", &moody.url()).with("registry.timeout", "1s").start(&app);
    process.await_log(RESTORED, 4, 60);
    let events = format!("{}-events", app.id);
    let next = |partition: usize| app.cluster.progress(&app.id, &[&events])[partition].1;
    load::pour(&app, &[event(&app, 0, known, "known", 0), event(&app, 1, known, "known", 1)]);
    wait_until("the known schema is read", 20, || next(0) == 1 && next(1) == 1);
    for (round, mood) in MOODS.into_iter().enumerate() {
        let field = format!("new{round}");
        let new = client.register("second", &schema(&field)).unwrap();
        moody.be(mood);
        let (at, other) = (next(0), next(1));
        let number = 10 * (round + 1);
        load::pour(&app, &[event(&app, 0, new, &field, number), event(&app, 1, known, "known", number + 1)]);
        wait_until("known schemas go on", 15, || next(1) > other);
        std::thread::sleep(Duration::from_secs(dose(4, 60)));
        assert_eq!(next(0), at, "{mood:?}: the record waits");
        assert!(app.read(&app.config.topics.dead_letters).is_empty(), "{mood:?} makes no dead letter");
        assert!(process.ended().is_none(), "{mood:?}: {}", process.text());
        moody.be(Mood::Fine);
        let fine = now();
        wait_until("what waited goes on", BACK_SECONDS_MAX, || next(0) > at);
        eprintln!("{name}: {mood:?}: it went on {:?} after the registry's return", fine.elapsed());
    }
    let commands = app.read(&app.config.topics.commands);
    assert_eq!(commands.len(), 2 + 2 * MOODS.len(), "every event became one command");
    let expected = app.expected(&commands);
    wait_until("the outputs are those that the fold says", 30, || {
        outputs::compare(&expected, &app.outputs(), app.config.partitions).is_ok()
    });
    assert!(app.read(&app.config.topics.dead_letters).is_empty(), "an outage makes no dead letter");
    assert_eq!(process.terminate().0, 143);
}

/// A schema that differs by the name of a field that nobody reads.
fn schema(field: &str) -> String {
    format!(
        r#"{{"type":"record","name":"Event","fields":[
        {{"name":"messageId","type":"string"}},{{"name":"event","type":"string"}},
        {{"name":"userId","type":"string"}},
        {{"name":"timestamp","type":{{"type":"long","logicalType":"timestamp-millis"}}}},
        {{"name":"{field}","type":"string","default":""}}]}}"#
    )
}

fn event(app: &App, partition: i32, id: u32, field: &str, number: usize) -> Sent {
    let schema = Schema::parse_str(&schema(field)).unwrap();
    let fields = vec![
        ("messageId".into(), Value::String(format!("m{number}"))),
        ("event".into(), Value::String("product_viewed".into())),
        ("userId".into(), Value::String(format!("u{partition}"))),
        ("timestamp".into(), Value::TimestampMillis(1_767_607_200_000 + number as i64 * 60_000)),
        (field.into(), Value::String("x".into())),
    ];
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    let datum = writer.write_value_to_vec(Value::Record(fields)).unwrap();
    Sent {
        topic: format!("{}-events", app.id),
        partition: Some(partition),
        value: Some([&[0], &id.to_be_bytes()[..], &datum].concat()),
        at_ms: 1_767_607_200_000,
        ..Sent::default()
    }
}
