//! The way back: records that a schema refused are sent through intake again once the schema is mended, by a
//! command that is killed on the way, and each becomes one command.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use bespoke::codec::command;
use bespoke::domain::command::Command;
use bespoke::runtime::broker::{Header, Record};
use serde_json::Value;

use super::app::{App, Shape};
use super::cluster::{Cluster, Sent, Turn, wait_until};
use super::load;

const REFUSED: usize = 3_000;
const ALL: usize = 2 * REFUSED;

#[test]
fn refused_records_go_through_intake_again_once_the_schema_is_mended() {
    let Some(cluster) = Cluster::find("refused_records_go_through_intake_again_once_the_schema_is_mended")
    else {
        return;
    };
    let _turn = Turn::among_others();
    let directory = std::env::temp_dir().join(format!("bespoke-{}-schemas", std::process::id()));
    write_schema(&directory, 100);
    let shape = Shape {
        more: format!("schemas:\n  directory: {}\n", directory.display()),
        sources: vec![("clicks", "json", 2)],
        ..Shape::default()
    };
    let app = App::create(&cluster, "dead-letters", &shape);
    let mut running = app.start(0);
    running.await_work();
    let mut records: Vec<Sent> = (0..ALL).map(|number| record(&app, number)).collect();
    records.push(Sent { value: Some(b"{".to_vec()), ..record(&app, 0) });
    load::pour(&app, &records);
    app.check();
    running.terminate();

    let groups = lines(&app, &["dlq", "ls", "--output", "ndjson"]);
    let found: Vec<(&Value, &Value, &Value, &Value)> = groups
        .iter()
        .map(|group| (&group["count"], &group["code"], &group["path"], &group["rule"]))
        .collect();
    let rule = Value::from("product_viewed/1 maximum");
    assert_eq!(
        found,
        [
            (&REFUSED.into(), &"schema_mismatch".into(), &"$.price".into(), &rule),
            (&1.into(), &"malformed_json".into(), &"$".into(), &Value::Null),
        ]
    );
    let example = groups[0]["example"].as_str().unwrap();
    let letter = &lines(&app, &["dlq", "show", example, "--output", "json"])[0];
    assert_eq!(
        (&letter["topic"], &letter["schema"]),
        (&format!("{}-clicks", app.id).into(), &"product_viewed".into())
    );

    write_schema(&directory, 1_000);
    // One redrive takes about a second, most of it for joining the group.
    for pause_ms in [200, 900, 1_100, 1_300, 1_500] {
        let mut killed = app.command(&["dlq", "retry", "--code", "schema_mismatch"]).spawn().unwrap();
        sleep(Duration::from_millis(pause_ms));
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    wait_until("a redrive after those that were killed", 60, || {
        app.command(&["dlq", "retry", "--code", "schema_mismatch"]).output().unwrap().status.success()
    });
    let groups = lines(&app, &["dlq", "ls", "--output", "ndjson"]);
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!((&groups[0]["count"], &groups[0]["code"]), (&1.into(), &"malformed_json".into()));
    check_sources(&app);
    let nothing = lines(&app, &["dlq", "retry", "--code", "schema_mismatch", "--output", "json"]);
    assert_eq!((&nothing[0]["sent"], &nothing[0]["kept"]), (&0.into(), &1.into()));
    check_sources(&app);

    let mut running = app.start(0);
    running.await_work();
    wait_until("every record as a command", 60, || times(&app).len() == ALL);
    running.terminate();
    // Each message is one command, with the time that it always had.
    let expected = (0..ALL).map(|number| (format!("m{number}"), vec![at_ms(number)])).collect();
    assert_eq!(times(&app), expected);
    fs::remove_dir_all(&directory).unwrap();
}

/// Each refused record stands in its source twice, alike in all but the offset.
fn check_sources(app: &App) {
    let mut copies: BTreeMap<Vec<u8>, Vec<Record>> = BTreeMap::new();
    for record in app.read(&format!("{}-clicks", app.id)) {
        copies.entry(record.value.clone().unwrap()).or_default().push(record);
    }
    let twice: Vec<&Vec<Record>> = copies.values().filter(|copies| copies.len() > 1).collect();
    assert_eq!(twice.len(), REFUSED);
    for copies in twice {
        let [first, second] = copies.as_slice() else { panic!("{} copies", copies.len()) };
        assert_eq!(Record { offset: first.offset, ..second.clone() }, *first);
        assert_eq!(first.headers, [Header::text("traceparent", "00-4bf9-00f0-01")]);
    }
}

/// When each message was received, once for each command.
fn times(app: &App) -> BTreeMap<String, Vec<i64>> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for record in app.read(&app.config.topics.commands) {
        if let Command::Event(event) = command::decode(record.value.as_deref().unwrap()).unwrap() {
            times.entry(event.message_id.to_string()).or_default().push(event.received_at.ms());
        }
    }
    times
}

/// The largest price that is accepted.
fn write_schema(directory: &Path, maximum: u32) {
    let event = directory.join("product_viewed");
    fs::create_dir_all(&event).unwrap();
    let schema = format!(
        r#"{{"properties": {{"properties": {{"properties": {{"items": {{"items": {{"properties": {{"price": {{"maximum": {maximum}}}}}}}}}}}}}}}}}"#
    );
    fs::write(event.join("1.json"), schema).unwrap();
}

/// Every second one costs more than the first schema allows.
fn record(app: &App, number: usize) -> Sent {
    let (person, price) = (number % 7, if number.is_multiple_of(2) { 10 } else { 150 });
    let value = format!(
        r#"{{"event":"product_viewed","messageId":"m{number}","userId":"u{person}","productId":"p{number}","price":{price}}}"#
    );
    Sent {
        topic: format!("{}-clicks", app.id),
        partition: Some((number / 2 % 2) as i32),
        key: Some(format!("u{person}").into_bytes()),
        value: Some(value.into_bytes()),
        headers: vec![Header::text("traceparent", "00-4bf9-00f0-01")],
        at_ms: at_ms(number),
    }
}

fn at_ms(number: usize) -> i64 {
    1_767_607_200_000 + number as i64
}

fn lines(app: &App, arguments: &[&str]) -> Vec<Value> {
    let output = app.command(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
