//! Avro sources and their registry: an id that nobody knows becomes a dead letter; a registry that is away
//! keeps its records waiting and no others.

use std::collections::BTreeSet;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use bespoke::service::process::connect_registry;

use super::app::{App, Shape};
use super::cluster::{Cluster, Sent, Turn, now, wait_until};
use super::load;

const OUTAGE: Duration = Duration::from_secs(10);
const FIRST: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"messageId","type":"string"},{"name":"event","type":"string"},{"name":"userId","type":"string"},
    {"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
const SECOND: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"messageId","type":"string"},{"name":"event","type":"string"},{"name":"userId","type":"string"},
    {"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"category","type":"string","default":"shoes"}]}"#;

fn avro_app(cluster: &Cluster, name: &str) -> App {
    App::create(cluster, name, &Shape { sources: vec![("events", "avro", 2)], ..Shape::default() })
}

#[test]
fn an_unknown_schema_id_is_a_dead_letter() {
    let Some(cluster) = Cluster::find("an_unknown_schema_id_is_a_dead_letter") else { return };
    let _turn = Turn::among_others();
    let app = avro_app(&cluster, "unknown");
    let id = connect_registry(&app.config).unwrap().register("first", FIRST).unwrap();
    let mut records: Vec<Sent> = (0..100).map(|number| event(&app, number % 2, id, FIRST, number)).collect();
    records.insert(50, framed(&app, 0, 4_711, b"whatever it means"));
    records.insert(70, framed(&app, 0, id, b"\x02"));
    load::pour(&app, &records);
    let running = app.start(0);
    app.check();
    let dead_letters = app.read(&app.config.topics.dead_letters);
    let codes: BTreeSet<String> = dead_letters
        .iter()
        .flat_map(|letter| letter.headers.iter().filter(|header| header.name == "bespoke.error.code"))
        .map(|header| String::from_utf8(header.value.clone().unwrap()).unwrap())
        .collect();
    assert_eq!(codes, BTreeSet::from(["malformed_avro".to_owned(), "unknown_schema".to_owned()]));
    running.terminate();
}

#[test]
fn a_registry_that_is_away_keeps_only_its_own_records_waiting() {
    let name = "a_registry_that_is_away_keeps_only_its_own_records_waiting";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let app = avro_app(&cluster, "away");
    let client = connect_registry(&app.config).unwrap();
    let first = client.register("first", FIRST).unwrap();
    let second = client.register("second", SECOND).unwrap();
    let mut running = app.start(0);
    running.await_work();
    load::pour(
        &app,
        &(0..20).map(|number| event(&app, number % 2, first, FIRST, number)).collect::<Vec<_>>(),
    );
    app.check();

    app.registry.pause();
    let paused = now();
    // Partition 0 meets the new schema, and known ones behind it; partition 1 only known ones.
    load::pour(&app, &[event(&app, 0, second, SECOND, 20), event(&app, 0, first, FIRST, 21)]);
    load::pour(&app, &(22..122).map(|number| event(&app, 1, first, FIRST, number)).collect::<Vec<_>>());
    let events = format!("{}-events", app.id);
    let next = |number: usize| app.cluster.progress(&app.id, &[&events])[number].1;
    wait_until("the other partition goes on", 8, || next(1) == 110);
    eprintln!("{name}: the other partition was done after {:?}", paused.elapsed());
    std::thread::sleep(OUTAGE.saturating_sub(paused.elapsed()));
    assert_eq!(next(0), 10, "the partition waits at the record whose schema is not known");
    assert!(app.read(&app.config.topics.dead_letters).is_empty(), "an outage makes no dead letter");

    app.registry.resume();
    let resumed = now();
    wait_until("what waited goes on", 30, || next(0) == 12);
    eprintln!("{name}: what waited went on {:?} after the registry's return", resumed.elapsed());
    app.check();
    assert!(app.read(&app.config.topics.dead_letters).is_empty(), "an outage makes no dead letter");
    assert_eq!(app.count_in_logs("worker_restarts"), 0, "an outage of the registry restarts no worker");
    assert_eq!(running.terminate().code(), Some(143));
}

fn event(app: &App, partition: usize, id: u32, schema: &str, number: usize) -> Sent {
    let schema = Schema::parse_str(schema).unwrap();
    let mut fields = vec![
        ("messageId".into(), Value::String(format!("m{number}"))),
        ("event".into(), Value::String("product_viewed".into())),
        ("userId".into(), Value::String(format!("u{}", number % 9))),
        ("timestamp".into(), Value::TimestampMillis(1_767_607_200_000 + number as i64 * 60_000)),
    ];
    let wants_category = matches!(&schema, Schema::Record(record) if record.fields.len() == 5);
    if wants_category {
        fields.push(("category".into(), Value::String("tents".into())));
    }
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    let datum = writer.write_value_to_vec(Value::Record(fields)).unwrap();
    framed(app, partition, id, &datum)
}

fn framed(app: &App, partition: usize, id: u32, datum: &[u8]) -> Sent {
    Sent {
        topic: format!("{}-events", app.id),
        partition: Some(partition as i32),
        value: Some([&[0], &id.to_be_bytes()[..], datum].concat()),
        at_ms: 1_767_607_200_000,
        ..Sent::default()
    }
}
