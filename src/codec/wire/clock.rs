//! When an event happened. Devices' clocks are wrong; the difference between when a device says that it
//! sent and when the message was received is known, and is taken off. No clock is read here: every instant
//! comes with the record, so that a replay says the same.

use super::Clock;
use super::field::Field;
use super::fields::Fields;
use super::found::Found;
use super::tree::Tree;
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::time::{HOUR_MS, Timestamp};

/// How long after its record's own time a message may say that it was received, before that is not believed: no
/// collector takes a day to write what it received, and one instant from next year would move the time of all persons
/// of its partition.
const RECEIVED_MS_MAX: i64 = 24 * HOUR_MS;
/// How far in the future an event may lie before its time is taken as received.
const FUTURE_MS_MAX: i64 = 5 * 60 * 1000;

/// The instants of one event.
#[derive(Debug, PartialEq)]
pub(super) struct Times {
    /// When it happened, corrected.
    pub(super) timestamp: Timestamp,
    /// When the device says that it happened.
    pub(super) original: Timestamp,
    /// When it was received.
    pub(super) received: Timestamp,
    /// Whether `timestamp` was in the future.
    pub(super) is_clamped: bool,
}

/// The instants of an event: `originalTimestamp`, else `timestamp`, else the time of receipt; and
/// `receivedAt`, where that can be believed, else the time of the Kafka record.
///
/// # Errors
/// `InvalidField` for what is no instant, `ImplausibleTime` for one before 1970 or after 2199.
pub(super) fn times(envelope: &mut Fields, clock: Clock, record_time: Timestamp) -> Result<Times, Reject> {
    let [original, stated, sent, received_at] =
        [Field::OriginalTimestamp, Field::Timestamp, Field::SentAt, Field::ReceivedAt]
            .map(|field| envelope.take(field));
    let [original, stated, sent, received_at] =
        [instant(original)?, instant(stated)?, instant(sent)?, instant(received_at)?];
    let can_be = |received: &Timestamp| received.since_ms(record_time) <= RECEIVED_MS_MAX;
    let received_at = received_at.filter(|received| !record_time.is_plausible() || can_be(received));
    let received = match received_at {
        Some(received) => received,
        None if record_time.is_plausible() => record_time,
        None => {
            let message = "no receivedAt, and the Kafka record has no usable time; send receivedAt";
            return Err(Reject::new(RejectCode::ImplausibleTime, "$.receivedAt", message));
        }
    };
    let original = original.or(stated).unwrap_or(received);
    let corrects = match clock {
        Clock::Correct => true,
        Clock::Trust => false,
        Clock::Automatic => received_at.is_some(),
    };
    let timestamp = match sent {
        Some(sent) if corrects => received.plus_ms(-sent.since_ms(original)),
        _ => original,
    };
    if timestamp.since_ms(received) > FUTURE_MS_MAX {
        return Ok(Times { timestamp: received, original, received, is_clamped: true });
    }
    if !timestamp.is_plausible() {
        let message = "not between 1970 and 2199 once the device's clock is corrected; check sentAt";
        return Err(Reject::new(RejectCode::ImplausibleTime, "$.sentAt", message));
    }
    Ok(Times { timestamp, original, received, is_clamped: false })
}

fn instant(found: Option<Found>) -> Result<Option<Timestamp>, Reject> {
    found.map(instant_of).transpose()
}

/// One instant: ISO 8601 with `Z` or an offset; or a number since the epoch, also as text, whose size tells
/// the unit: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds. So each unit is read
/// right from March 1973 to the year 5138. Parts of a millisecond are dropped.
///
/// # Errors
/// `InvalidField` or `ImplausibleTime`.
pub(super) fn instant_of(found: Found) -> Result<Timestamp, Reject> {
    let ms = match found.value() {
        Tree::Number(number) => match number.as_i64() {
            Some(whole) => of_whole(whole),
            None => of_fraction(number.as_f64().unwrap_or(f64::MAX)),
        },
        Tree::Text(text) => of_text(text).map_err(|message| found.invalid(message))?,
        _ => {
            return Err(
                found.invalid("neither a text nor a number; send ISO 8601 or a number since the epoch")
            );
        }
    };
    match ms.map(Timestamp::from_ms) {
        Some(at) if at.is_plausible() => Ok(at),
        _ => {
            let message = "not between 1970 and 2199; check the clock and the unit";
            Err(Reject::new(RejectCode::ImplausibleTime, &found.path(), message))
        }
    }
}

fn of_whole(number: i64) -> Option<i64> {
    match number {
        0..100_000_000_000 => Some(number * 1000),
        100_000_000_000..100_000_000_000_000 => Some(number),
        100_000_000_000_000..100_000_000_000_000_000 => Some(number / 1000),
        _ => None,
    }
}

fn of_fraction(number: f64) -> Option<i64> {
    let ms = match number {
        number if number < 0.0 => return None,
        number if number < 1e11 => number * 1000.0,
        number if number < 1e14 => number,
        number if number < 1e17 => number / 1000.0,
        _ => return None,
    };
    // Below 1e14, so the conversion is exact; rounded, since .123 seconds is no exact double.
    Some(ms.round() as i64)
}

fn of_text(text: &str) -> Result<Option<i64>, &'static str> {
    if let Some(ms) = of_plain_text(text.as_bytes()) {
        return Ok(Some(ms));
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(of_whole(whole));
    }
    let message = "not an instant; send ISO 8601 with Z or an offset, or a number since the epoch";
    let at = text.parse::<jiff::Timestamp>().map_err(|_| message)?;
    Ok(Some(at.as_microsecond().div_euclid(1000)))
}

/// An instant as JavaScript's `toISOString` writes it, to the millisecond and in UTC: `2026-01-05T10:00:00.123Z`.
/// Most senders write this, and reading just this takes a fifth of the time. None for anything else.
fn of_plain_text(text: &[u8]) -> Option<i64> {
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        mi1,
        mi2,
        b':',
        s1,
        s2,
        b'.',
        f1,
        f2,
        f3,
        b'Z',
    ] = text
    else {
        return None;
    };
    // Each digit is looked at once, and whether all of them were digits at the end.
    let mut largest = 0;
    let mut number = |tens: u8, ones: u8| {
        let [tens, ones] = [tens, ones].map(|digit| digit.wrapping_sub(b'0'));
        largest = largest.max(tens).max(ones);
        i64::from(tens) * 10 + i64::from(ones)
    };
    let (year, month, day) = (number(y1, y2) * 100 + number(y3, y4), number(mo1, mo2), number(d1, d2));
    let (hour, minute, second) = (number(h1, h2), number(mi1, mi2), number(s1, s2));
    let millisecond = number(b'0', f1) * 100 + number(f2, f3);
    if largest > 9 {
        return None;
    }
    // What is at the edge of a month, a leap second or beyond all time is for the library.
    if !(1970..2200).contains(&year) || !(1..=12).contains(&month) || !(1..=28).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Howard Hinnant's days_from_civil, for years after 0: a year begins in March, so that the day that is
    // there every fourth year comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year / 400, year % 400);
    let days = era * 146_097 + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millisecond)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::wire::aliases::{Aliases, Scope};
    use crate::codec::wire::tree::arena;

    const RECORD: Timestamp = Timestamp::from_ms(1_767_607_260_000);

    fn times_of(object: Value, clock: Clock) -> Result<Times, RejectCode> {
        let (arena, aliases) = (arena(), Aliases::standard());
        let tree = Tree::of(&object, &arena);
        let mut envelope = Fields::of(Found::whole(&tree), &aliases, Scope::Envelope).unwrap();
        times(&mut envelope, clock, RECORD).map_err(|reject| reject.code)
    }

    #[test]
    fn instants_come_as_iso_8601_and_as_numbers_of_three_units() {
        for value in [
            json!("2026-01-05T10:00:00.123Z"),
            json!("2026-01-05T12:00:00.123456+02:00"),
            json!("2026-01-05 10:00:00.123Z"),
            json!(1_767_607_200.123),
            json!(1_767_607_200_123_i64),
            json!("1767607200123"),
            json!(1_767_607_200_123_456_i64),
            json!("1767607200123456"),
        ] {
            let times = times_of(json!({"timestamp": value}), Clock::Trust).unwrap();
            assert_eq!(times.timestamp.ms(), 1_767_607_200_123, "{value}");
        }
        let times = times_of(json!({"timestamp": 1_767_607_200}), Clock::Trust).unwrap();
        assert_eq!(times.timestamp.ms(), 1_767_607_200_000);
    }

    proptest! {
        #[test]
        fn plain_texts_are_read_as_the_library_reads_them(ms in 0..7_258_118_400_000_i64) {
            let text = jiff::Timestamp::from_millisecond(ms).unwrap();
            let text = format!("{text:.3}");
            let read = of_plain_text(text.as_bytes());
            prop_assert!(read.is_none_or(|read| read == ms), "{} as {:?}", text, read);
            prop_assert!(read.is_some() || text.get(8..10) > Some("28"), "{}", text);
            prop_assert_eq!(of_text(&text), Ok(Some(ms)));
        }

        #[test]
        fn what_looks_plain_is_read_as_the_library_reads_it(
            text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}[Zz]"
        ) {
            if let Some(read) = of_plain_text(text.as_bytes()) {
                let at: jiff::Timestamp = text.parse().unwrap();
                prop_assert_eq!(read, at.as_millisecond());
            }
        }
    }

    #[test]
    fn what_is_no_plausible_instant_is_refused() {
        for (value, code) in [
            (json!("yesterday"), RejectCode::InvalidField),
            (json!("2026-01-05T10:00:00"), RejectCode::InvalidField),
            (json!("2026-01-05"), RejectCode::InvalidField),
            (json!(""), RejectCode::InvalidField),
            (json!([1]), RejectCode::InvalidField),
            (json!("1969-12-31T23:59:59.999Z"), RejectCode::ImplausibleTime),
            (json!("2200-01-01T00:00:00Z"), RejectCode::ImplausibleTime),
            (json!(-1), RejectCode::ImplausibleTime),
            (json!(1e300), RejectCode::ImplausibleTime),
            (json!(u64::MAX), RejectCode::ImplausibleTime),
            (json!(i64::MIN), RejectCode::ImplausibleTime),
        ] {
            assert_eq!(times_of(json!({"sentAt": value}), Clock::Trust), Err(code), "{value}");
        }
    }

    #[test]
    fn a_wrong_device_clock_is_corrected_where_the_rule_says_so() {
        // The device is an hour behind: it says that it sent at 09:00:02 what was received at 10:00:02.
        let object = |received: &str| json!({"timestamp": "2026-01-05T09:00:00Z", "sentAt": "2026-01-05T09:00:02Z", "receivedAt": received});
        let at = |clock, object| times_of(object, clock).unwrap().timestamp.ms();
        let (wrong, right) = (1_767_603_600_000, 1_767_607_200_000);
        let received = "2026-01-05T10:00:02Z";
        assert_eq!(at(Clock::Trust, object(received)), wrong);
        assert_eq!(at(Clock::Correct, object(received)), right);
        assert_eq!(at(Clock::Automatic, object(received)), right);
        let mut unreceived = object(received);
        unreceived["receivedAt"] = Value::Null;
        assert_eq!(at(Clock::Automatic, unreceived.clone()), wrong);
        assert_eq!(at(Clock::Correct, unreceived), RECORD.ms() - 2000);
    }

    #[test]
    fn the_future_beyond_five_minutes_is_taken_as_received() {
        let clamped = times_of(json!({"timestamp": "2026-01-05T10:06:00.001Z"}), Clock::Trust).unwrap();
        assert_eq!((clamped.timestamp, clamped.is_clamped), (RECORD, true));
        assert_eq!(clamped.original.ms(), RECORD.ms() + 300_001);
        let just_before = times_of(json!({"timestamp": "2026-01-05T10:06:00Z"}), Clock::Trust).unwrap();
        assert_eq!((just_before.timestamp.ms(), just_before.is_clamped), (RECORD.ms() + 300_000, false));
    }

    #[test]
    fn a_receipt_long_after_the_record_was_written_is_not_believed() {
        let at = |received_ms: i64| {
            let said = json!({
                "timestamp": "2199-01-05T09:00:00Z", "sentAt": "2199-01-05T09:00:02Z", "receivedAt": received_ms,
            });
            times_of(said, Clock::Automatic).unwrap()
        };
        let last = RECORD.plus_ms(RECEIVED_MS_MAX);
        let believed = at(last.ms());
        assert_eq!((believed.timestamp, believed.is_clamped), (last.plus_ms(-2_000), false));
        let not_believed = at(last.ms() + 1);
        assert_eq!((not_believed.timestamp, not_believed.is_clamped), (RECORD, true));
        assert_eq!(not_believed.received, RECORD);
    }

    #[test]
    fn an_event_without_any_instant_happened_when_it_was_received() {
        let times = times_of(json!({}), Clock::Automatic).unwrap();
        assert_eq!(times, Times { timestamp: RECORD, original: RECORD, received: RECORD, is_clamped: false });
    }

    #[test]
    fn the_original_timestamp_comes_before_the_timestamp() {
        let object = json!({"originalTimestamp": 1_767_607_200, "timestamp": 1_767_607_100});
        assert_eq!(times_of(object, Clock::Trust).unwrap().original.ms(), 1_767_607_200_000);
    }
}
