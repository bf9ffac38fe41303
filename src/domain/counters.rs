//! The numbers of those attributes of a person that add up. Sorted, and none that holds nothing: most persons have
//! done a few of the things that are counted, and the state of a number that nobody has added to is the same whether
//! the attribute was declared before the person came or after.

use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::growth::make_room;
use super::rulebook::NameId;
use super::time::Timestamp;
use super::window::{Counter, Window};

/// Counters, sorted by number, each number once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "ThinVec<Counter>", into = "ThinVec<Counter>")]
pub struct Counters(ThinVec<Counter>);

impl Counters {
    /// All of them.
    pub fn as_slice(&self) -> &[Counter] {
        &self.0
    }

    /// The counter of a number; none where nothing is counted.
    pub fn get(&self, id: NameId) -> Option<&Counter> {
        self.0.get(self.position(id).ok()?)
    }

    /// Changes the counter of a number, which may be a new one. Answers what `change` does.
    pub(crate) fn change(&mut self, id: NameId, change: impl FnOnce(&mut Counter) -> bool) -> bool {
        let at = self.position(id).unwrap_or_else(|at| {
            make_room(&mut self.0);
            self.0.insert(at, Counter::new(id));
            at
        });
        self.change_at(at, change)
    }

    /// Takes out of a number what has left its window at `now`. Returns whether it changed.
    pub(crate) fn expire(&mut self, id: NameId, now: Timestamp, window: &Window) -> bool {
        self.position(id).is_ok_and(|at| self.change_at(at, |counter| counter.expire(now, window)))
    }

    /// Takes out the counter of a number, which starts afresh.
    pub(crate) fn take(&mut self, id: NameId) -> Option<Counter> {
        let at = self.position(id).ok()?;
        Some(self.0.remove(at))
    }

    fn change_at(&mut self, at: usize, change: impl FnOnce(&mut Counter) -> bool) -> bool {
        let Some(counter) = self.0.get_mut(at) else { return false };
        let changed = change(counter);
        if counter.is_empty() {
            self.0.remove(at);
        }
        changed
    }

    fn position(&self, id: NameId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |counter| counter.id)
    }
}

/// Of several with one number the first counts: versions before this one had them in any order, and empty ones too.
impl From<ThinVec<Counter>> for Counters {
    fn from(mut counters: ThinVec<Counter>) -> Counters {
        counters.sort_by_key(|counter| counter.id);
        counters.dedup_by_key(|counter| counter.id);
        counters.retain(|counter| !counter.is_empty());
        Counters(counters)
    }
}

impl From<Counters> for ThinVec<Counter> {
    fn from(Counters(counters): Counters) -> ThinVec<Counter> {
        counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;

    const WINDOW: Window = Window { bucket_ms: HOUR_MS, buckets: 24, timed: true, zone: None };

    fn hours(hour: i64) -> Timestamp {
        Timestamp::from_ms(hour * HOUR_MS)
    }

    fn count(counters: &mut Counters, id: u32, hour: i64) -> bool {
        counters.change(NameId(id), |counter| counter.add(1, hours(hour), hours(hour), Some(&WINDOW)))
    }

    fn numbers(counters: &Counters) -> Vec<(u32, i64)> {
        counters.as_slice().iter().map(|counter| (counter.id.0, counter.total)).collect()
    }

    #[test]
    fn they_are_the_same_whichever_was_counted_first() {
        let (mut one, mut other) = (Counters::default(), Counters::default());
        for (here, there) in [(7, 3), (3, 5), (5, 7)] {
            assert!(count(&mut one, here, 100) && count(&mut other, there, 100));
        }
        assert_eq!(one, other);
        assert_eq!(numbers(&one), [(3, 1), (5, 1), (7, 1)]);
    }

    #[test]
    fn what_holds_nothing_is_not_there() {
        let mut counters = Counters::default();
        assert!(!counters.expire(NameId(3), hours(100), &WINDOW));
        assert!(!counters.change(NameId(3), |counter| counter.add(0, hours(100), hours(100), None)));
        assert_eq!(counters, Counters::default());
        count(&mut counters, 3, 100);
        assert!(counters.expire(NameId(3), hours(200), &WINDOW), "the number fell");
        assert_eq!(counters, Counters::default());
        count(&mut counters, 3, 100);
        assert_eq!(counters.take(NameId(3)).map(|counter| counter.total), Some(1));
        assert_eq!(counters.take(NameId(3)), None);
        assert_eq!(counters.get(NameId(3)), None);
    }

    #[test]
    fn those_of_older_versions_are_put_in_order() {
        let counter = |id, total| Counter { id: NameId(id), total, ..Counter::default() };
        let list: ThinVec<Counter> =
            [counter(7, 1), counter(5, 0), counter(3, 2), counter(7, 9)].into_iter().collect();
        assert_eq!(numbers(&Counters::from(list)), [(3, 2), (7, 1)]);
    }
}
