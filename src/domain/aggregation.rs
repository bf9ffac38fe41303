//! The aggregations: what each keeps of events, and under which numbers rows hold it.

use compact_str::{CompactString, format_compact};

use super::funnel;
use super::points::Keep;
use super::rulebook::{Aggregation, AttributeRule, Elapsed};
use super::time::Timestamp;

impl Aggregation {
    /// Whether there may be nothing to say; else there is a number from the beginning.
    pub(super) fn can_be_missing(&self) -> bool {
        !matches!(
            self,
            Aggregation::Count
                | Aggregation::Units
                | Aggregation::Value
                | Aggregation::Sum(_)
                | Aggregation::List(..)
                | Aggregation::Distinct(_)
                | Aggregation::Top(..)
                | Aggregation::Funnel(_)
                | Aggregation::Affinity
        )
    }

    /// Whether what there is to say is a number.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Aggregation::Count
                | Aggregation::Units
                | Aggregation::Value
                | Aggregation::Sum(_)
                | Aggregation::Mean(_)
                | Aggregation::Min(_)
                | Aggregation::Max(_)
                | Aggregation::Distinct(_)
                | Aggregation::Since(_)
                | Aggregation::Gaps(_)
                | Aggregation::Funnel(_)
        )
    }

    /// Which points it keeps, where it keeps points.
    pub(crate) fn keep(&self) -> Option<Keep> {
        Some(match self {
            Aggregation::Min(_) => Keep::Least,
            Aggregation::Max(_) => Keep::Greatest,
            Aggregation::First(_) => Keep::Earliest,
            Aggregation::Since(Elapsed { from_first: true, .. }) => Keep::Earliest,
            Aggregation::Last(_) | Aggregation::Since(_) => Keep::Latest,
            Aggregation::List(_, most) => Keep::LatestOfEach { most: *most },
            Aggregation::Distinct(_) => Keep::HighestRank,
            Aggregation::Lifecycle(_) => Keep::Newest { most: 2 },
            Aggregation::Funnel(_) => Keep::Newest { most: funnel::EVENTS_MAX },
            _ => return None,
        })
    }

    pub(crate) fn is_frequency(&self) -> bool {
        matches!(self, Aggregation::MostFrequent(_) | Aggregation::Top(..))
    }

    /// What of it decides what rows hold: what was held for another shape is no use. None for sums, whose rows
    /// are from before there were others.
    pub(crate) fn shape(&self) -> Option<CompactString> {
        let (name, field) = match self {
            Aggregation::Count | Aggregation::Units | Aggregation::Value | Aggregation::Sum(_) => {
                return None;
            }
            Aggregation::Mean(field) => ("mean", field),
            Aggregation::Min(field) => ("min", field),
            Aggregation::Max(field) => ("max", field),
            Aggregation::First(field) => ("first", field),
            Aggregation::Last(field) => ("last", field),
            Aggregation::List(field, _) => ("list", field),
            Aggregation::Distinct(field) => ("distinct", field),
            Aggregation::MostFrequent(field) | Aggregation::Top(field, _) => ("frequencies", field),
            Aggregation::Since(Elapsed { from_first: true, .. }) => return Some("since_first".into()),
            Aggregation::Since(_) => return Some("since_last".into()),
            Aggregation::Gaps(field) => ("gaps", field),
            Aggregation::Lifecycle(_) => return Some("lifecycle".into()),
            Aggregation::Funnel(funnel) => {
                return Some(format_compact!("funnel|{}", funnel.steps.join(">")));
            }
            Aggregation::Affinity => return Some("affinity".into()),
            Aggregation::Coalesce => return Some("coalesce".into()),
            Aggregation::Score(_) => return Some("score".into()),
        };
        Some(format_compact!("{name}|{field}"))
    }
}

impl AttributeRule {
    /// Whether it is made of other attributes, and holds nothing itself.
    pub fn is_derived(&self) -> bool {
        matches!(self.aggregation, Aggregation::Affinity | Aggregation::Coalesce | Aggregation::Score(_))
    }
}

impl Elapsed {
    /// How many whole steps there are from one instant to another.
    pub(crate) fn steps(&self, at: Timestamp, now: Timestamp) -> i64 {
        now.since_ms(at).div_euclid(self.step_ms.max(1)).clamp(0, self.steps_max)
    }

    /// When the next step is done, unless that was the last.
    pub(crate) fn due(&self, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let next = self.steps(at, now) + 1;
        (next <= self.steps_max).then(|| at.plus_ms(next.saturating_mul(self.step_ms)))
    }
}
