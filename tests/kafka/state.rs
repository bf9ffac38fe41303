//! The state on disk is lost, or is an old copy: the changelog makes it whole. Where the changelog itself is
//! gone, nothing starts from less than there was.

use std::fs;
use std::path::Path;

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn};
use super::load;

#[test]
fn a_lost_state_directory_is_restored() {
    let Some(cluster) = Cluster::find("a_lost_state_directory_is_restored") else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "lost", &Shape::default());
    let records = load::records(&app, 7, 10_000);
    let (first_half, second_half) = records.split_at(records.len() / 2);
    load::pour(&app, first_half);
    let running = app.start(0);
    app.check();
    running.terminate();
    fs::remove_dir_all(app.state(0)).unwrap();
    load::pour(&app, second_half);
    let running = app.start(0);
    app.check();
    running.terminate();
}

#[test]
fn an_old_copy_of_the_state_directory_catches_up() {
    let Some(cluster) = Cluster::find("an_old_copy_of_the_state_directory_catches_up") else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "copy", &Shape::default());
    let records = load::records(&app, 8, 9_000);
    let parts: Vec<_> = records.chunks(records.len() / 3 + 1).collect();
    let copy = app.state(9);
    for (number, part) in parts.into_iter().enumerate() {
        if number == 2 {
            fs::remove_dir_all(app.state(0)).unwrap();
            copy_directory(&copy, &app.state(0));
        }
        load::pour(&app, part);
        let running = app.start(0);
        app.check();
        running.kill();
        if number == 0 {
            copy_directory(&app.state(0), &copy);
        }
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
