//! Records that nobody can use, between good ones: each becomes one dead letter with its own bytes, and its
//! neighbours do not notice.

use bespoke::runtime::broker::Header;

use super::app::{App, Shape};
use super::cluster::{Cluster, Sent, Turn};
use super::load;

const MEMORY_GROWTH_BYTES_MAX: u64 = 64 << 20;

#[test]
fn poison_becomes_dead_letters_and_its_neighbours_go_on() {
    let Some(cluster) = Cluster::find("poison_becomes_dead_letters_and_its_neighbours_go_on") else {
        return;
    };
    let _turn = Turn::among_others();
    let app =
        App::create(&cluster, "poison", &Shape { sources: vec![("clicks", "json", 2)], ..Shape::default() });
    let mut running = app.start(0);
    running.await_work();
    let good: Vec<Sent> = (0..400).map(|number| good(&app, number)).collect();
    load::pour(&app, &good);
    app.check();
    let (before, _) = running.memory_bytes();
    let mut records = Vec::new();
    for number in 400..800 {
        records.push(self::good(&app, number));
        if number % 10 == 0 {
            let value = poisons().swap_remove((number / 10) % poisons().len());
            records.push(Sent {
                topic: format!("{}-clicks", app.id),
                partition: Some(0),
                key: Some(b"anything".to_vec()),
                value,
                headers: vec![Header::text("traceparent", "00-4bf9-00f0-01"), header_without_value()],
                at_ms: 1_767_607_200_000,
            });
        }
    }
    load::pour(&app, &records);
    app.check();
    let dead_letters = app.read(&app.config.topics.dead_letters);
    assert_eq!(dead_letters.len(), 40, "each poisonous record is one dead letter");
    let (after, highest) = running.memory_bytes();
    let mib = |bytes: u64| bytes >> 20;
    eprintln!("memory: {} MiB before, {} after, {} at most", mib(before), mib(after), mib(highest));
    assert!(highest.saturating_sub(before) < MEMORY_GROWTH_BYTES_MAX, "memory stays flat");
    running.terminate();
}

fn good(app: &App, number: usize) -> Sent {
    let seconds = 1_767_607_200_000 + number as i64 * 1_000;
    let person = number % 7;
    let value = format!(
        r#"{{"event":"product_viewed","messageId":"m{number}","userId":"u{person}","timestamp":{seconds},"productId":"p{number}","category":"shoes"}}"#
    );
    Sent {
        topic: format!("{}-clicks", app.id),
        partition: Some((number % 2) as i32),
        key: None,
        value: Some(value.into_bytes()),
        headers: Vec::new(),
        at_ms: seconds,
    }
}

fn poisons() -> Vec<Option<Vec<u8>>> {
    let garbage = (0..5_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let quoted = format!(r#"{{"event":"product_viewed","userId":"u1","text":"{}"}}"#, "x".repeat(1 << 20));
    vec![
        None,
        Some(Vec::new()),
        Some(garbage),
        Some(b"[".repeat(1_000_000)),
        Some(br#"{"a":"#.repeat(200_000)),
        Some(vec![0; 1 << 20]),
        Some(quoted.into_bytes()),
        Some(b"{\"event\":\"product_viewed\",\"userId\":\"\xff\xfe\"}".to_vec()),
        Some(br#"{"event":"product_viewed","userId":"null","timestamp":1767607200000}"#.to_vec()),
        Some(br#"{"event":"product_viewed","userId":"u1","timestamp":"1e400"}"#.to_vec()),
    ]
}

fn header_without_value() -> Header {
    Header { name: "empty".into(), value: None }
}
