//! Reads the window of an attribute: a sliding one of buckets of the same length, or one of calendar days.

use std::sync::Arc;

use super::{BUCKETS_MAX, MINUTE_MS, WINDOW_MS_MAX};
use crate::config::problems::Problems;
use crate::config::quantity::Quantity;
use crate::config::section::Section;
use crate::config::{suggestion, time_zone};
use crate::domain::rulebook::Window;
use crate::domain::time::{DAY_MS, HOUR_MS};

/// The window of an attribute; none where it is of the lifetime.
pub(super) fn read(section: &mut Section<'_>, timed: bool, problems: &mut Problems<'_>) -> Option<Window> {
    if !section.has("window") {
        for (key, name) in [("bucket", "bucket"), ("time_zone", "time zone")] {
            if section.has(key) {
                let hint = Some(format!("give a window, or leave the {name} out"));
                problems.error(&section.place_of(key), format!("a {name} without a window"), hint);
            }
        }
        return None;
    }
    if section.has("time_zone") {
        return of_days(section, timed, problems);
    }
    let window_ms = section.duration_ms("window", MINUTE_MS..=WINDOW_MS_MAX, problems);
    section.put_default("bucket", &Quantity::Duration.show(default_bucket_ms(window_ms)));
    let bucket_ms = section.duration_ms("bucket", MINUTE_MS..=WINDOW_MS_MAX, problems);
    let place = section.place_of("bucket");
    let [window, bucket] = [window_ms, bucket_ms].map(|ms| Quantity::Duration.show(ms));
    if window_ms % bucket_ms != 0 {
        let message = format!("a window of {window} is no whole number of buckets of {bucket}");
        problems.error(&place, message, Some("set a bucket that divides the window".into()));
    } else if window_ms / bucket_ms > BUCKETS_MAX {
        let count = window_ms / bucket_ms;
        let message = format!(
            "a window of {window} has {count} buckets of {bucket}; at most {BUCKETS_MAX} are allowed"
        );
        problems.error(&place, message, Some("set a longer bucket".into()));
    }
    Some(Window { bucket_ms, buckets: window_ms / bucket_ms, zone: None, timed })
}

/// A window of calendar days: today, and so many before it.
fn of_days(section: &mut Section<'_>, timed: bool, problems: &mut Problems<'_>) -> Option<Window> {
    let window_ms = section.duration_ms("window", DAY_MS..=WINDOW_MS_MAX, problems);
    if window_ms % DAY_MS != 0 {
        let message =
            format!("a window of {} is no whole number of days", Quantity::Duration.show(window_ms));
        problems.error(&section.place_of("window"), message, Some("set 1d for today, 7d for a week".into()));
    }
    if section.has("bucket") {
        let hint = Some("leave the bucket out; a time zone makes it a calendar day".into());
        problems.error(&section.place_of("bucket"), "a bucket beside a time zone", hint);
    }
    let named = section.text("time_zone", problems)?;
    let Some(zone) = time_zone::find(&named.text) else {
        let hint = suggestion::hint(&named.text, time_zone::names().iter().map(|name| &**name));
        problems.error(&named.place, format!("there is no time zone `{}`", named.text), hint);
        return None;
    };
    Some(Window { bucket_ms: DAY_MS, buckets: window_ms / DAY_MS, zone: Some(Arc::new(zone)), timed })
}

/// The step of a window that names none: fine enough that nobody sees it, coarse enough to be small.
fn default_bucket_ms(window_ms: i64) -> i64 {
    const STEPS: [(i64, i64); 4] = [
        (2 * HOUR_MS, MINUTE_MS),
        (6 * HOUR_MS, 5 * MINUTE_MS),
        (DAY_MS, 15 * MINUTE_MS),
        // One more, so that 100 days themselves still go by the hour, in 2,400 buckets.
        (100 * DAY_MS + 1, HOUR_MS),
    ];
    let step = STEPS.iter().find(|(below_ms, _)| window_ms < *below_ms);
    step.map_or(DAY_MS, |(_, bucket_ms)| *bucket_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_names_no_step_gets_one_that_fits_its_length() {
        let hours =
            [1, 2, 6, 24, 168, 2_400, 2_401].map(|hours| default_bucket_ms(hours * HOUR_MS) / MINUTE_MS);
        assert_eq!(hours, [1, 5, 15, 60, 60, 60, 1_440]);
    }
}
