//! A second process joins and leaves, again and again.

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn};
use super::load;

#[test]
fn a_second_process_joins_and_leaves_five_times() {
    let Some(cluster) = Cluster::find("a_second_process_joins_and_leaves_five_times") else { return };
    let _turn = Turn::among_others();
    joins_and_leaves(&cluster, "members", 5, 20_000, &Shape::default());
}

#[test]
fn members_that_spread_partitions_by_range() {
    let Some(cluster) = Cluster::find("members_that_spread_partitions_by_range") else { return };
    let _turn = Turn::among_others();
    let shape = Shape { assignor: "range", ..Shape::default() };
    joins_and_leaves(&cluster, "range", 2, 8_000, &shape);
}

/// Static members that end are missed only when their session has ended, which is waited for: so each leave
/// is one indeed, and the state of what comes back is restored.
fn joins_and_leaves(cluster: &Cluster, name: &str, times: usize, events: usize, shape: &Shape) {
    const ASSIGNED: &str = r#""event":"partition_assigned""#;
    let app = App::create(cluster, name, shape);
    let records = load::records(&app, 6, events);
    let mut first = app.start(0);
    first.await_work();
    load::feed(&app, &records, times, |_| {
        let mut second = app.start(1);
        second.await_work();
        std::thread::sleep(std::time::Duration::from_millis(700));
        let before = first.said(ASSIGNED);
        assert_eq!(second.terminate().code(), Some(143));
        first.await_log(ASSIGNED, before + 1, 30);
    });
    app.check();
    first.terminate();
}
