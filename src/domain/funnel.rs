//! How far somebody has come on a way of several steps: viewed, then put into the cart, then checked out. Steps
//! count in the order in which they happened, not in which they were heard of, and what else happens between
//! them does not matter.

use compact_str::CompactString;

use super::event::Event;
use super::points::{Point, Points};
use super::rulebook::Window;
use super::scalar::Scalar;
use super::time::Timestamp;

/// Of the events that are steps, so many of the latest are kept.
pub const EVENTS_MAX: usize = 64;

/// The steps of a way.
#[derive(Clone, Debug, PartialEq)]
pub struct Funnel {
    /// The canonical names of the events, first to last, each once; 2 to 16.
    pub steps: Vec<CompactString>,
}

impl Funnel {
    /// What is kept of an event: which step it is, from 1 on.
    pub(crate) fn step(&self, event: &Event) -> Option<Scalar> {
        let place = self.steps.iter().position(|step| *step == event.name)?;
        Some(Scalar::Integer(place as i64 + 1))
    }

    /// How many steps, from the first on, were taken one after the other. Steps of the same instant count as
    /// taken in their order.
    pub(crate) fn depth(&self, points: &[Point]) -> i64 {
        points
            .iter()
            .fold(0, |depth, point| if point.value == Scalar::Integer(depth + 1) { depth + 1 } else { depth })
    }

    /// When there are fewer steps if nothing happens: when a bucket leaves the window without which the way is
    /// shorter.
    pub(crate) fn due(&self, points: &Points, window: &Window) -> Option<Timestamp> {
        let mut rest = points.clone();
        let depth = self.depth(points.as_slice());
        while let Some(due) = rest.due(window) {
            rest.expire(due, window);
            if self.depth(rest.as_slice()) < depth {
                return Some(due);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::points::Keep;
    use crate::domain::time::HOUR_MS;

    const HOURLY: Window = Window { bucket_ms: HOUR_MS, buckets: 24, timed: true, zone: None };

    fn funnel() -> Funnel {
        Funnel { steps: ["view", "add", "order"].map(Into::into).to_vec() }
    }

    /// (step, hour) of each event, in the order of arrival.
    fn of(events: &[(i64, i64)]) -> Points {
        let mut points = Points::default();
        for (step, hour) in events {
            let point = Point { at: Timestamp::from_ms(hour * HOUR_MS), value: Scalar::Integer(*step) };
            points.add(
                point,
                Keep::Newest { most: EVENTS_MAX },
                Timestamp::from_ms(20 * HOUR_MS),
                Some(&HOURLY),
            );
        }
        points
    }

    #[test]
    fn only_steps_that_follow_each_other_count() {
        for (events, depth) in [
            (&[][..], 0),
            (&[(2, 1), (3, 2)], 0),
            (&[(2, 1), (1, 2), (3, 3)], 1),
            (&[(1, 1), (1, 2), (2, 3), (1, 4), (3, 5)], 3),
            (&[(3, 9), (2, 5), (1, 1)], 3),
            (&[(3, 1), (2, 1), (1, 1)], 3),
        ] {
            assert_eq!(funnel().depth(of(events).as_slice()), depth, "{events:?}");
        }
    }

    #[test]
    fn the_way_is_shorter_only_when_a_step_leaves_that_no_other_replaces() {
        let hour = |hour: i64| Some(Timestamp::from_ms(hour * HOUR_MS));
        assert_eq!(funnel().due(&of(&[(1, 1), (2, 3)]), &HOURLY), hour(25));
        // The view of the second hour leads as far as that of the first; after the third nobody has viewed.
        assert_eq!(funnel().due(&of(&[(1, 1), (1, 2), (2, 3)]), &HOURLY), hour(26));
        assert_eq!(funnel().due(&of(&[(2, 1), (1, 2)]), &HOURLY), hour(26));
        assert_eq!(funnel().due(&of(&[(3, 1)]), &HOURLY), None, "nothing to lose");
    }
}
