//! How often each value of a field occurred: a counter per value, exact while there are few enough values. Of
//! more the rarest is forgotten, so that a field that never says the same twice cannot fill a profile.

use compact_str::CompactString;
use thin_vec::ThinVec;

use super::growth::make_room;
use super::rulebook::{NameId, Window};
use super::time::Timestamp;
use super::window::Counter;

/// How many values are counted for a person.
pub const VALUES_MAX: usize = 64;

/// Counters by value, sorted by value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frequencies(ThinVec<(CompactString, Counter)>);

impl Frequencies {
    /// Counters as they were written, sorted again.
    pub(crate) fn of_counters(mut counters: ThinVec<(CompactString, Counter)>) -> Frequencies {
        counters.sort_by(|one, other| one.0.cmp(&other.0));
        Frequencies(counters)
    }

    /// The counters by value, sorted by value.
    pub(crate) fn as_slice(&self) -> &[(CompactString, Counter)] {
        &self.0
    }

    /// Counts one occurrence. There may be too many values then, of which the rarest are to be forgotten. Returns
    /// whether it lies in the window.
    pub fn add(&mut self, value: &str, at: Timestamp, now: Timestamp, window: Option<&Window>) -> bool {
        let place = match self.0.binary_search_by(|(other, _)| (**other).cmp(value)) {
            Ok(place) => place,
            Err(place) => {
                make_room(&mut self.0);
                self.0.insert(place, (value.into(), Counter::new(NameId::default())));
                place
            }
        };
        let counts = self.0.get_mut(place).is_some_and(|(_, counter)| counter.add(1, at, now, window));
        if !counts {
            self.0.retain(|(_, counter)| counter.total != 0);
        }
        counts
    }

    /// Adds counts without a window. Returns whether there were any.
    pub(crate) fn join(&mut self, others: Frequencies) -> bool {
        let joined = !others.0.is_empty();
        for (value, counter) in others.0 {
            match self.0.binary_search_by(|(other, _)| other.cmp(&value)) {
                Ok(place) => {
                    let own = self.0.get_mut(place).map(|(_, own)| &mut own.total);
                    own.into_iter().for_each(|total| *total = total.saturating_add(counter.total));
                }
                Err(place) => self.0.insert(place, (value, counter)),
            }
        }
        self.keep_most_frequent();
        joined
    }

    /// Takes out what has left the window at `now`. Returns whether a count changed.
    pub fn expire(&mut self, now: Timestamp, window: &Window) -> bool {
        let mut changed = false;
        for (_, counter) in &mut self.0 {
            changed |= counter.expire(now, window);
        }
        if changed {
            self.0.retain(|(_, counter)| counter.total != 0);
        }
        changed
    }

    /// When the first count falls.
    pub fn due(&self, window: &Window) -> Option<Timestamp> {
        self.0.iter().filter_map(|(_, counter)| counter.due(window)).min()
    }

    /// How often all values that are counted occurred.
    pub fn total(&self) -> i64 {
        self.0.iter().fold(0, |total, (_, counter)| total.saturating_add(counter.total))
    }

    /// The most frequent values, the most frequent first and equals in the order of values.
    pub fn top(&self, most: usize) -> Vec<&str> {
        let mut values: Vec<&(CompactString, Counter)> = self.0.iter().collect();
        values.sort_by_key(|(_, counter)| std::cmp::Reverse(counter.total));
        values.into_iter().take(most).map(|(value, _)| &**value).collect()
    }

    /// Forgets the rarest of too many values; among equals the last by value goes. Returns whether there were too many.
    pub(crate) fn keep_most_frequent(&mut self) -> bool {
        let too_many = self.0.len() > VALUES_MAX;
        while self.0.len() > VALUES_MAX {
            let places = self.0.iter().enumerate().rev();
            let rarest = places.min_by_key(|(_, (_, counter))| counter.total).map(|(place, _)| place);
            rarest.into_iter().for_each(|place| drop(self.0.remove(place)));
        }
        too_many
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;

    fn hours(hour: i64) -> Timestamp {
        Timestamp::from_ms(hour * HOUR_MS)
    }

    #[test]
    fn the_most_frequent_come_first_and_fall_with_the_window() {
        let window = Window { bucket_ms: HOUR_MS, buckets: 24, timed: true, zone: None };
        let mut frequencies = Frequencies::default();
        for (value, hour) in [("hats", 90), ("hats", 91), ("bags", 99), ("shoes", 99)] {
            assert!(frequencies.add(value, hours(hour), hours(100), Some(&window)));
        }
        assert!(!frequencies.add("tents", hours(76), hours(100), Some(&window)), "before the window");
        assert_eq!(frequencies.top(9), ["hats", "bags", "shoes"]);
        assert_eq!(frequencies.due(&window), Some(hours(114)));
        assert!(frequencies.expire(hours(115), &window));
        assert_eq!(frequencies.top(2), ["bags", "shoes"]);
    }

    #[test]
    fn of_too_many_values_the_rarest_is_forgotten() {
        let mut frequencies = Frequencies::default();
        for number in 0..200 {
            frequencies.add("often", hours(0), hours(0), None);
            frequencies.add(&format!("v{number:03}"), hours(0), hours(0), None);
            assert_eq!(frequencies.keep_most_frequent(), number >= VALUES_MAX - 1);
        }
        assert_eq!(frequencies.as_slice().len(), VALUES_MAX);
        assert_eq!(frequencies.top(2), ["often", "v000"]);
    }
}
