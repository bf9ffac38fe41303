//! The time zones of the IANA's database as it was when this program was built. The machine's own is not asked:
//! all instances must agree on when a day begins.

use jiff::tz::{Offset, TimeZoneDatabase};

use crate::domain::time::Timestamp;
use crate::domain::zone::Zone;

/// The zone of a name, in any case; none if there is none.
pub(crate) fn find(name: &str) -> Option<Zone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    let earliest = jiff::Timestamp::from_millisecond(Timestamp::EARLIEST.ms()).ok()?;
    let changes = zone.following(earliest).map(|change| {
        let at = Timestamp::from_ms(change.timestamp().as_millisecond());
        (at, ahead_ms(change.offset()))
    });
    let changes = changes.take_while(|(at, _)| *at <= Timestamp::LATEST);
    Some(Zone::new(zone.iana_name().unwrap_or(name), ahead_ms(zone.to_offset(earliest)), changes))
}

/// The names of all zones.
pub(crate) fn names() -> Vec<String> {
    TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect()
}

fn ahead_ms(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_ms(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn days_begin_when_they_do_in_that_place() {
        let berlin = find("europe/berlin").unwrap();
        assert_eq!(berlin.name, "Europe/Berlin");
        for (instant, begins, hours) in [
            ("2026-01-15T12:00:00Z", "2026-01-14T23:00:00Z", 24),
            ("2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23),
            ("2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z", 25),
            // By the rule that is in force, long after the database ends.
            ("2150-07-01T12:00:00Z", "2150-06-30T22:00:00Z", 24),
        ] {
            let day = berlin.day(at(instant));
            assert_eq!(berlin.begins(day), at(begins), "{instant}");
            assert_eq!(berlin.begins(day + 1), at(begins).plus_ms(hours * HOUR_MS), "{instant}");
        }
        let india = find("Asia/Kolkata").unwrap();
        assert_eq!(india.begins(india.day(at("2026-05-01T12:00:00Z"))), at("2026-04-30T18:30:00Z"));
        assert!(find("Europe/Berlín").is_none());
        assert!(names().len() > 400);
    }
}
