//! Scenario 8: records that were not read yet are deleted, or the group's offset lies where there are none.
//! The process ends with code 72 and names what is gone; nothing is skipped, nothing is written.

use std::time::Duration;

use super::admin::Administrator;
use super::app::{App, Shape};
use super::cluster::{Cluster, Sent, Turn};
use super::load;
use super::process::{Launch, Process, RESTORED};

/// The partition of the clickstream that is robbed.
const ROBBED: i32 = 1;

#[test]
fn scenario_08_input_is_trimmed_while_nobody_reads() {
    let name = "scenario_08_input_is_trimmed_while_nobody_reads";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let (app, mut process) = settled(&cluster, "trimmed", 81);
    assert_eq!(process.terminate().0, 143);
    let (topic, committed) = (clickstream(&app), next_of(&app));
    load::pour(&app, &further(&app, 82));
    Administrator::of(&cluster).trim(&topic, ROBBED, committed + 20);
    refused(name, &app, committed, committed + 20);
}

#[test]
fn scenario_08_input_is_trimmed_under_a_process_that_lags() {
    let name = "scenario_08_input_is_trimmed_under_a_process_that_lags";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let (app, mut process) = settled(&cluster, "robbed", 83);
    let (topic, committed) = (clickstream(&app), next_of(&app));
    // So that nothing of it is in the client's queue yet.
    process.signal("STOP");
    load::pour(&app, &further(&app, 84));
    Administrator::of(&cluster).trim(&topic, ROBBED, committed + 20);
    process.signal("CONT");
    let (code, took) = process.await_end("a process whose input is gone", 30);
    eprintln!("{name}: it ended with {code} after {took:?}");
    assert_eq!(code, 72, "{}", process.text());
    assert_eq!(next_of(&app), committed, "nothing is skipped");
    let text = last_words(&process);
    let named = [format!("{topic}-{ROBBED}"), committed.to_string(), (committed + 20).to_string()];
    named.iter().for_each(|part| assert!(text.contains(part), "{part} in: {text}"));
    refused(name, &app, committed, committed + 20);
}

#[test]
fn scenario_08_a_position_beyond_the_end() {
    let name = "scenario_08_a_position_beyond_the_end";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let (app, mut process) = settled(&cluster, "beyond", 85);
    assert_eq!(process.terminate().0, 143);
    let beyond = next_of(&app) + 1_000;
    Administrator::of(&cluster).set_offset(&app.id, &clickstream(&app), ROBBED, beyond);
    load::pour(&app, &further(&app, 86));
    refused(name, &app, beyond, beyond - 1_000);
}

/// Whoever starts now must be refused, and leaves everything as it is.
fn refused(name: &str, app: &App, committed: i64, names: i64) {
    let own = [&*app.config.topics.commands, &*app.config.topics.changelog];
    let before = (next_of(app), app.cluster.ends(&own)[..].to_vec());
    let mut process = Launch::of(0).start(app);
    let (code, took) = process.await_end("a process whose input is gone", 30);
    let text = last_words(&process);
    eprintln!("{name}: a start is refused with {code} after {took:?}: {text}");
    assert_eq!(code, 72, "{}", process.text());
    let partition = format!("{}-{ROBBED}", clickstream(app));
    for part in [partition, committed.to_string(), names.to_string()] {
        assert!(text.contains(&part), "{part} in: {text}");
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(next_of(app), before.0, "nothing is skipped");
}

/// An application that has read everything there is.
fn settled(cluster: &Cluster, name: &str, seed: u64) -> (App, Process) {
    let app = App::create(cluster, name, &Shape::default());
    load::pour(&app, &load::records(&app, seed, 2_000));
    let mut process = Launch::of(0).start(&app);
    process.await_log(RESTORED, 4, 60);
    app.check();
    (app, process)
}

/// Records for the robbed partition alone.
fn further(app: &App, seed: u64) -> Vec<Sent> {
    let mut records = load::records(app, seed, 400);
    records.retain(|sent| sent.topic == clickstream(app));
    records.iter_mut().for_each(|sent| sent.partition = Some(ROBBED));
    records.truncate(200);
    records
}

fn clickstream(app: &App) -> String {
    format!("{}-clickstream", app.id)
}

fn next_of(app: &App) -> i64 {
    let progress = app.cluster.progress(&app.id, &[&clickstream(app)]);
    progress.into_iter().find(|(partition, ..)| partition.number == ROBBED).unwrap().1
}

/// The last lines of the log, where a process says why it ends.
fn last_words(process: &Process) -> String {
    let text = process.text();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(2)..].join("\n")
}
