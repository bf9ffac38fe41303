//! Calendar days as people live them: in a time zone, between one midnight and the next, 23 to 25 hours apart
//! where clocks are changed.

use compact_str::CompactString;

use super::time::{DAY_MS, Timestamp};

/// A time zone: how far its clocks are from UTC, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name in the time zone database of the IANA, such as `Europe/Berlin`.
    pub name: CompactString,
    /// (from which instant on, milliseconds ahead of UTC), sorted; the first from before all time.
    offsets: Vec<(Timestamp, i64)>,
}

impl Zone {
    /// A zone whose clocks are `offset_ms` ahead of UTC until the first of the changes, each of which is an
    /// instant and how far they are ahead from then on.
    pub fn new(name: &str, offset_ms: i64, changes: impl IntoIterator<Item = (Timestamp, i64)>) -> Zone {
        let mut offsets = vec![(Timestamp::from_ms(i64::MIN), offset_ms)];
        offsets.extend(changes);
        offsets.sort_unstable();
        Zone { name: name.into(), offsets }
    }

    /// The day that holds an instant, in days since 1970-01-01. Days never go back, even where clocks are put
    /// back past midnight.
    pub fn day(&self, at: Timestamp) -> i64 {
        let since = self.offsets.partition_point(|(since, _)| *since <= at).saturating_sub(1);
        let offset_ms = self.offsets.get(since).map_or(0, |(_, offset_ms)| *offset_ms);
        let mut day = at.plus_ms(offset_ms).bucket(DAY_MS);
        while self.begins(day + 1) <= at {
            day += 1;
        }
        day
    }

    /// The first instant of a day; of a day that was left out, the first of the next.
    pub fn begins(&self, day: i64) -> Timestamp {
        let midnight = Timestamp::from_ms(day.saturating_mul(DAY_MS));
        // No clock is further than a day from UTC.
        let before = midnight.plus_ms(-2 * DAY_MS);
        let first = self.offsets.partition_point(|(since, _)| *since <= before).saturating_sub(1);
        let ends = self.offsets.iter().skip(first + 1).map(|(since, _)| Some(*since)).chain([None]);
        let begins = self.offsets.iter().skip(first).zip(ends).find_map(|((since, offset_ms), end)| {
            let begins = midnight.plus_ms(-offset_ms).max(*since);
            end.is_none_or(|end| begins < end).then_some(begins)
        });
        begins.unwrap_or(midnight)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::HOUR_MS;

    fn hours(hour: i64) -> Timestamp {
        Timestamp::from_ms(hour * HOUR_MS)
    }

    #[test]
    fn days_begin_at_local_midnight_and_are_shorter_and_longer_where_clocks_change() {
        // An hour ahead; clocks go forward at 01:00 UTC of day 10, and back at 01:00 UTC of day 20.
        let zone = Zone::new("Europe/Near", HOUR_MS, [(hours(241), 2 * HOUR_MS), (hours(481), HOUR_MS)]);
        assert_eq!([9, 10, 11, 20, 21].map(|day| zone.begins(day)), [215, 239, 262, 478, 503].map(hours));
        assert_eq!(zone.day(hours(239).plus_ms(-1)), 9);
        assert_eq!([239, 261, 262, 502, 503].map(|hour| zone.day(hours(hour))), [10, 10, 11, 20, 21]);
    }

    #[test]
    fn a_day_without_midnight_begins_later_and_one_that_is_left_out_has_no_time() {
        // Clocks go from midnight of day 5 to one o'clock, as they did in São Paulo.
        let zone = Zone::new("Late", 0, [(hours(120), HOUR_MS)]);
        assert_eq!([4, 5, 6].map(|day| zone.begins(day)), [96, 120, 143].map(hours));
        // Day 5 is left out, as in Samoa in 2011.
        let zone = Zone::new("Skips", 0, [(hours(120), 24 * HOUR_MS)]);
        assert_eq!([5, 6].map(|day| zone.begins(day)), [120, 120].map(hours));
        assert_eq!([119, 120].map(|hour| zone.day(hours(hour))), [4, 6]);
    }

    #[test]
    fn clocks_that_are_put_back_past_midnight_do_not_bring_a_day_back() {
        // At half past midnight of day 5 it is again half past eleven of day 4.
        let half = HOUR_MS / 2;
        let zone = Zone::new("Back", 0, [(hours(120).plus_ms(half), -HOUR_MS)]);
        assert_eq!(zone.day(hours(120)), 5);
        assert_eq!(zone.day(hours(120).plus_ms(half)), 5);
    }

    proptest! {
        #[test]
        fn every_instant_lies_between_the_beginnings_of_its_day_and_the_next(
            changes in prop::collection::btree_map(0..24 * 60_i64, -12..14_i64, 0..6),
            at in 0..24 * 60 * HOUR_MS,
        ) {
            let changes = changes.into_iter().map(|(hour, offset)| (hours(hour), offset * HOUR_MS));
            let (zone, at) = (Zone::new("Any", 0, changes), Timestamp::from_ms(at));
            let day = zone.day(at);
            prop_assert!(zone.begins(day) <= at && at < zone.begins(day + 1));
        }
    }
}
