//! What every store promises, checked on the one in memory and the one on disk, one against the other.

use proptest::collection::vec;
use proptest::prelude::*;

use super::scratch::{Scratch, at, delete, put};
use crate::domain::person::Person;
use crate::domain::time::Timestamp;
use crate::store::memory::MemoryStore;
use crate::store::{Change, Store, StoreError};

fn due(store: &impl Store, until: i64, limit: usize) -> Vec<(i64, String)> {
    let due = store.due(Timestamp::from_ms(until), limit).unwrap();
    due.into_iter().map(|(due, person)| (due.ms(), person.as_str().to_owned())).collect()
}

fn entry(due: i64, person: &str) -> (i64, String) {
    (due, person.to_owned())
}

fn a_new_store_is_empty(store: &mut impl Store) {
    assert_eq!(store.position(), None);
    assert_eq!(store.load(b"pa").unwrap(), None);
    assert_eq!(store.scan(b"").unwrap(), []);
    assert_eq!(due(store, i64::MAX, 10), []);
}

fn rows_come_back_in_the_order_of_keys(store: &mut impl Store) {
    let rows = [put("s2", "two", None), put("s1", "one", None), put("t", "", None), put("", "none", None)];
    store.absorb(&rows, at(4)).unwrap();
    assert_eq!(store.position(), Some(at(4)));
    assert_eq!(store.load(b"s2").unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(store.load(b"t").unwrap().as_deref(), Some(&b""[..]));
    let scanned: Vec<_> = store.scan(b"s").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(scanned, [b"s1", b"s2"]);
    assert_eq!(store.scan(b"").unwrap().len(), 4);
}

fn the_index_follows_the_rows(store: &mut impl Store) {
    store.absorb(&[put("pa", "1", Some(30)), put("pb", "1", Some(20)), put("pc", "1", None)], at(1)).unwrap();
    assert_eq!(due(store, 19, 10), []);
    assert_eq!(due(store, 30, 10), [entry(20, "b"), entry(30, "a")]);
    assert_eq!(due(store, 30, 1), [entry(20, "b")]);
    // Later, never, earlier than anything asked for so far, and gone.
    store.absorb(&[put("pb", "2", Some(40)), put("pa", "2", None), put("pc", "2", Some(-5))], at(2)).unwrap();
    assert_eq!(due(store, 40, 10), [entry(-5, "c"), entry(40, "b")]);
    store.absorb(&[delete("pc"), delete("p-unknown")], at(3)).unwrap();
    assert_eq!(due(store, i64::MAX, 10), [entry(40, "b")]);
    assert_eq!(due(store, i64::MAX, 0), []);
    assert_eq!(store.load(b"pc").unwrap(), None);
}

fn the_last_change_of_a_key_holds(store: &mut impl Store) {
    store.absorb(&[put("pa", "1", Some(1)), put("pa", "2", Some(2)), delete("pb")], at(1)).unwrap();
    assert_eq!(store.load(b"pa").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(due(store, 9, 10), [entry(2, "a")]);
    store.absorb(&[put("pa", "3", Some(3)), delete("pa")], at(2)).unwrap();
    assert_eq!(due(store, 9, 10), []);
}

fn only_persons_rows_that_stay_are_due(store: &mut impl Store) {
    let gone = Change { value: None, ..put("pa", "", Some(1)) };
    store.absorb(&[put("s", "x", Some(1)), gone], at(1)).unwrap();
    assert_eq!(due(store, i64::MAX, 10), []);
}

fn a_refused_batch_changes_nothing(store: &mut impl Store) {
    store.absorb(&[put("pa", "1", Some(1))], at(1)).unwrap();
    let not_text = Change { key: b"p\xff".to_vec(), ..put("", "x", Some(2)) };
    let refused = store.absorb(&[put("pa", "2", Some(2)), not_text], at(2));
    assert!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
    assert_eq!(store.position(), Some(at(1)));
    assert_eq!(store.load(b"pa").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(due(store, 9, 10), [entry(1, "a")]);
}

macro_rules! laws {
    ($($law:ident),* $(,)?) => {
        mod in_memory { $(#[test] fn $law() { super::$law(&mut super::MemoryStore::default()); })* }
        mod on_disk {
            $(#[test] fn $law() {
                let scratch = super::Scratch::new();
                super::$law(&mut scratch.open("store", true).unwrap());
            })*
        }
    };
}

laws!(
    a_new_store_is_empty,
    rows_come_back_in_the_order_of_keys,
    the_index_follows_the_rows,
    the_last_change_of_a_key_holds,
    only_persons_rows_that_stay_are_due,
    a_refused_batch_changes_nothing,
);

#[derive(Clone, Debug)]
enum Step {
    Absorb(Vec<Change>),
    Reopen { write_ahead_log: bool },
}

fn change() -> impl Strategy<Value = Change> {
    let key = prop::sample::select(vec!["pa", "pb", "pab", "p", "pö", "s", "s1", "t\u{7f}"]);
    let moment = prop_oneof![-3..3_i64, Just(i64::MIN), Just(i64::MAX)];
    (key, prop::option::weighted(0.8, "[xy]{0,2}"), prop::option::of(moment)).prop_map(|(key, value, due)| {
        Change {
            key: key.into(),
            value: value.map(String::into_bytes),
            due: due.map(Timestamp::from_ms),
            ..Change::default()
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec(change(), 0..6).prop_map(Step::Absorb),
        1 => any::<bool>().prop_map(|write_ahead_log| Step::Reopen { write_ahead_log }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_answer_alike(
        steps in vec(step(), 1..12),
        asked in vec((-4..4_i64, 0..4_usize), 12),
        passed in vec((-4..4_i64, -4..5_i64), 6),
    ) {
        let scratch = Scratch::new();
        let mut disk = Some(scratch.open("store", true).unwrap());
        let mut memory = MemoryStore::default();
        for (number, (step, (until, limit))) in (1..).zip(steps.into_iter().zip(asked)) {
            match step {
                Step::Absorb(changes) => {
                    memory.absorb(&changes, at(number)).unwrap();
                    disk.as_mut().unwrap().absorb(&changes, at(number)).unwrap();
                }
                Step::Reopen { write_ahead_log } => {
                    drop(disk.take());
                    disk = Some(scratch.open("store", write_ahead_log).unwrap());
                }
            }
            let disk = disk.as_ref().unwrap();
            prop_assert_eq!(disk.position(), memory.position());
            prop_assert_eq!(due(disk, until, limit), due(&memory, until, limit));
            prop_assert_eq!(due(disk, i64::MAX, 99), due(&memory, i64::MAX, 99));
            // Twice, since the first time tells the one on disk where nothing lies.
            for (after, until) in passed.iter().chain(&passed).copied() {
                let [after, until] = [after, until].map(Timestamp::from_ms);
                prop_assert_eq!(
                    disk.due_after(Some(after), until, limit), memory.due_after(Some(after), until, limit)
                );
            }
            for prefix in ["", "p", "pa", "s", "t\u{7f}"] {
                prop_assert_eq!(disk.scan(prefix.as_bytes()), memory.scan(prefix.as_bytes()));
                prop_assert_eq!(disk.load(prefix.as_bytes()), memory.load(prefix.as_bytes()));
            }
        }
    }
}

#[test]
fn a_sweep_of_many_persons_due_at_once_finds_each_once() {
    let scratch = Scratch::new();
    let mut store = scratch.open("store", true).unwrap();
    let persons: Vec<Change> = (0..500).map(|number| put(&format!("p{number:03}"), "x", Some(7))).collect();
    store.absorb(&persons, at(0)).unwrap();
    let mut swept = Vec::new();
    for _ in 0..6 {
        let found = store.due(Timestamp::from_ms(7), 100).unwrap();
        let settled: Vec<Change> =
            found.iter().map(|(_, person)| put(&format!("p{person}"), "y", Some(9))).collect();
        store.absorb(&settled, at(1)).unwrap();
        swept.extend(found);
    }
    let expected: Vec<_> =
        (0..500).map(|number| (Timestamp::from_ms(7), Person::bare(&format!("{number:03}")))).collect();
    assert_eq!(swept, expected);
}
