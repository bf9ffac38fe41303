//! What is read is what was staged or committed last, however few profiles stay in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::store::PersonRow;
use crate::store::memory::MemoryStore;
use crate::store::profile_cache::DECODED_PROFILE_BYTES;

/// Room for the rows of so many profiles with a version and nothing else.
fn overlay(profiles_cached_max: usize) -> Overlay {
    let value = row::encode_profile(&Profile { version: 1, ..Profile::default() });
    let of_one = Entry::of_stored(&person(1), Some(PersonRow { value, due: None }), 0).memory();
    let cache = Arc::new(ProfileCache::new(profiles_cached_max * of_one));
    Overlay::new(Box::new(MemoryStore::default()), &cache)
}

fn person(number: u8) -> Person {
    Person::bare(&format!("p{number}"))
}

fn version(overlay: &mut Overlay, number: u8) -> u64 {
    let place = overlay.person(&RuleBook::default(), &person(number)).unwrap();
    overlay.profile(place).version
}

fn change(overlay: &mut Overlay, number: u8) {
    let rules = RuleBook::default();
    let place = overlay.person(&rules, &person(number)).unwrap();
    overlay.profile(place).version += 1;
    overlay.changed(&rules, place);
}

/// Commits, and answers whose profiles were handed on.
fn commit(overlay: &mut Overlay) -> Vec<Person> {
    let (mut rows, mut persons) = (overlay.flush_rows().unwrap(), Vec::new());
    let Ok(()) = overlay.flush_profiles(|dirty| {
        assert!(dirty.risen);
        persons.push(dirty.person.clone());
        Ok::<(), Infallible>(())
    });
    let meta = |digest| Meta { input_next: 0, stream_time: Timestamp::EARLIEST, digest };
    rows.push(overlay.flush_meta(meta));
    let changelog_next = overlay.position().map_or(0, |position| position.changelog_next) + 1;
    overlay.settle(rows, Position { changelog_next, input_next: 0 }).unwrap();
    persons
}

#[test]
fn those_that_were_not_used_for_the_longest_are_dropped_first() {
    let mut overlay = overlay(4);
    for numbers in [&[1, 2, 3, 4][..], &[1], &[5]] {
        numbers.iter().for_each(|number| change(&mut overlay, *number));
        let committed: Vec<Person> = numbers.iter().map(|number| person(*number)).collect();
        assert_eq!(commit(&mut overlay), committed, "in the order in which they were touched");
    }
    assert_eq!(overlay.entries.len(), 3, "one more than a quarter is dropped");
    assert!([1, 5].into_iter().all(|number| overlay.find(&person(number)).is_some()));
    let versions = [1, 2, 3, 4, 5].map(|number| version(&mut overlay, number));
    assert_eq!(versions, [2, 1, 1, 1, 1]);
}

#[test]
fn profiles_stay_decoded_of_those_who_are_in_every_transaction() {
    let mut overlay = overlay(1_000);
    for (changed, decoded) in [(&[1, 2][..], &[][..]), (&[1, 3], &[1]), (&[3, 1], &[1, 3]), (&[3], &[3])] {
        changed.iter().for_each(|number| change(&mut overlay, *number));
        version(&mut overlay, 2);
        commit(&mut overlay);
        let persons = overlay.decoded.iter().map(|at| overlay.entries[*at].person.clone());
        let expected: Vec<Person> = decoded.iter().map(|number| person(*number)).collect();
        assert_eq!(persons.collect::<Vec<_>>(), expected, "after a change of {changed:?}");
    }
    // What stays is what was committed, and nothing stays that another definition could make due at another time.
    assert_eq!([1, 2, 3].map(|number| version(&mut overlay, number)), [3, 1, 3]);
    change(&mut overlay, 1);
    overlay.save().unwrap();
    assert_eq!(overlay.decoded.len(), 1, "what the open transaction has changed");
    overlay.discard().unwrap();
    assert!(overlay.decoded.is_empty());
    assert_eq!([1, 2, 3].map(|number| version(&mut overlay, number)), [3, 1, 3]);
}

#[test]
fn profiles_that_stay_decoded_take_a_part_of_the_memory() {
    let mut overlay = overlay(400);
    for _ in 0..3 {
        (0..100).for_each(|number| change(&mut overlay, number));
        commit(&mut overlay);
    }
    let bytes = overlay.decoded.len() * DECODED_PROFILE_BYTES;
    assert!(bytes > 0 && bytes <= overlay.share.bytes() / 8, "{bytes} of {}", overlay.share.bytes());
}

#[test]
fn persons_that_hash_to_the_same_are_told_apart() {
    let mut overlay = overlay(4);
    let mut seen = BTreeMap::new();
    // Of so many names several pairs share one of 2^32 hashes, whatever the hasher's seed is.
    let (one, other) = (0..400_000)
        .find_map(|number| {
            let name = format!("p{number}");
            seen.insert(overlay.hash_of(&name), name.clone()).map(|before| (before, name))
        })
        .expect("two names of one hash");
    let rules = RuleBook::default();
    for (name, version) in [(&one, 1), (&other, 2)] {
        let place = overlay.person(&rules, &Person::bare(name)).unwrap();
        overlay.profile(place).version += version;
    }
    overlay.touch([&*one, &*other].into_iter());
    let places = [&one, &other].map(|name| Place(overlay.find(&Person::bare(name)).unwrap()));
    assert_eq!(places.map(|place| overlay.profile(place).version), [1, 2]);
}

proptest! {
    #[test]
    fn what_is_read_does_not_depend_on_what_stays_in_memory(
        deeds in prop::collection::vec((0..12_u8, 0..8_u8), 1..120),
        profiles_cached_max in prop_oneof![1..10_usize, 200..500_usize],
    ) {
        let mut overlay = overlay(profiles_cached_max);
        let (mut committed, mut staged) = (BTreeMap::new(), BTreeMap::new());
        for (deed, number) in deeds {
            overlay.touch([person(number).as_str(), "nobody"].into_iter());
            match deed {
                0 => {
                    commit(&mut overlay);
                    committed = staged.clone();
                    prop_assert!(overlay.memory <= overlay.share.bytes());
                }
                1 => {
                    overlay.discard().unwrap();
                    staged = committed.clone();
                }
                2 => overlay.save().unwrap(),
                3..=5 => {
                    let expected = staged.get(&number).copied().unwrap_or(0);
                    prop_assert_eq!(version(&mut overlay, number), expected);
                }
                _ => {
                    change(&mut overlay, number);
                    *staged.entry(number).or_default() += 1;
                }
            }
        }
    }
}
