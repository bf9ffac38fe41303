//! A store in memory, for tests, the simulator and offline runs. It is the plainest reading of what a store
//! promises, so the one on disk is compared with it. It keeps nothing when the process ends.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;

use super::{Change, PersonRow, Position, Row, Store, StoreError};
use crate::codec::row::PERSON_PREFIX;
use crate::domain::person::Person;
use crate::domain::time::Timestamp;

/// What errors of this store name as its directory.
const NOWHERE: &str = "memory";

/// One partition's state in memory. A new one is empty and has no position.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<Vec<u8>, Kept>,
    due: BTreeSet<(Timestamp, CompactString)>,
    position: Option<Position>,
}

/// A row's value and the entry that it has in the index.
#[derive(Clone, Debug)]
struct Kept {
    value: Vec<u8>,
    due: Option<(Timestamp, CompactString)>,
}

impl Store for MemoryStore {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(key).map(|row| row.value.clone()))
    }

    fn load_person(&self, key: &[u8]) -> Result<Option<PersonRow>, StoreError> {
        let row = self.rows.get(key);
        Ok(row.map(|row| PersonRow { value: row.value.clone(), due: row.due.as_ref().map(|(due, _)| *due) }))
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        let from_prefix = self.rows.range(prefix.to_vec()..);
        let with_prefix = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        Ok(with_prefix.map(|(key, row)| (key.clone(), row.value.clone())).collect())
    }

    fn due_after(
        &self,
        after: Option<Timestamp>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Person)>, StoreError> {
        let later = self.due.iter().skip_while(|(due, _)| after.is_some_and(|after| *due <= after));
        let until_then = later.take_while(|(due, _)| *due <= until);
        Ok(until_then.take(limit).map(|(due, person)| (*due, Person::bare(person))).collect())
    }

    fn persons_after(&self, after: Option<&Person>, limit: usize) -> Result<Vec<Person>, StoreError> {
        let mut from = vec![PERSON_PREFIX];
        if let Some(person) = after {
            from.extend_from_slice(person.as_bytes());
            from.push(0);
        }
        let keys =
            self.rows.range(from..).map(|(key, _)| key).take_while(|key| key.first() == Some(&PERSON_PREFIX));
        let persons = keys.filter_map(|key| std::str::from_utf8(key.get(1..)?).ok());
        Ok(persons.take(limit).map(Person::bare).collect())
    }

    fn position(&self) -> Option<Position> {
        self.position
    }

    fn absorb(&mut self, changes: &[Change], position: Position) -> Result<(), StoreError> {
        let entries =
            changes.iter().map(|change| change.due_entry(NOWHERE)).collect::<Result<Vec<_>, _>>()?;
        for (change, entry) in changes.iter().zip(entries) {
            self.put(change, entry.map(|(due, person)| (due, person.into())));
        }
        self.position = Some(position);
        Ok(())
    }
}

impl MemoryStore {
    fn put(&mut self, change: &Change, entry: Option<(Timestamp, CompactString)>) {
        if let Some(former) = self.rows.remove(&change.key).and_then(|row| row.due) {
            self.due.remove(&former);
        }
        if let Some(value) = &change.value {
            self.due.extend(entry.clone());
            self.rows.insert(change.key.clone(), Kept { value: value.clone(), due: entry });
        }
    }
}
