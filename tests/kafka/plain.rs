//! Nothing goes wrong: 20,000 events with duplicates, disorder and malformed records among them; and a replay
//! of the command log, which must say the same again.

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn};
use super::load;

#[test]
fn twenty_thousand_events() {
    let Some(cluster) = Cluster::find("twenty_thousand_events") else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "plain", &Shape::default());
    load::pour(&app, &load::records(&app, 1, 20_000));
    let running = app.start(0);
    app.check();
    assert_eq!(running.terminate().code(), Some(143), "a drained process ends as signals want it");
}

#[test]
fn a_replay_of_the_command_log_gives_the_same_bytes() {
    let Some(cluster) = Cluster::find("a_replay_of_the_command_log_gives_the_same_bytes") else { return };
    let _turn = Turn::among_others();
    let first = App::create(&cluster, "original", &Shape::default());
    load::pour(&first, &load::records(&first, 2, 8_000));
    let running = first.start(0);
    first.check();
    running.terminate();

    // The second application has sources of its own, in which nothing stands, and reads the log of the first.
    let commands = Some(first.config.topics.commands.to_string());
    let second = App::create(&cluster, "replay", &Shape { commands, ..Shape::default() });
    let running = second.start(0);
    second.check_against(&first);
    running.terminate();
}
