//! How much memory a profile takes, so that a cache of profiles can be bounded. As many bytes as the elements of its
//! lists and its longer texts need, rounded up as allocators do; what lists have in reserve is not known here.

use super::buckets::Buckets;
use super::event::Money;
use super::frequencies::Frequencies;
use super::points::Points;
use super::profile::{Cause, Orders, PageView, Profile, Session};
use super::purchase::Order;
use super::scalar::{Properties, Scalar};
use super::session_values::Held;
use super::visit::Visit;
use super::window::Counter;

/// What a list has in front of its elements.
const HEADER: usize = 16;
/// A text that is not longer takes no memory of its own.
const TEXT_INLINE: usize = size_of::<compact_str::CompactString>();

impl Profile {
    /// How much memory the profile takes, in bytes.
    pub fn footprint(&self) -> usize {
        let Profile {
            version: _,
            as_of: _,
            events_applied: _,
            first_at: _,
            last_at: _,
            cause,
            definitions: _,
            seen,
            ids_full: _,
            traits,
            counters,
            points,
            frequencies,
            interests,
            session,
            recent,
            orders,
            segments,
            rules_fired,
            fires,
        } = self;
        let cause = match cause {
            Cause::Event(message_id) => text(message_id),
            Cause::None | Cause::Time => 0,
        };
        size_of::<Profile>()
            + cause
            + list(seen, |_| 0)
            + properties(traits)
            + list(counters, counter)
            + list(points, |(_, points)| self::points(points))
            + list(frequencies, |(_, frequencies)| self::frequencies(frequencies))
            + list(interests, |(_, affinities)| list(affinities, |affinity| text(&affinity.value)))
            + self::session(session)
            + list(recent, |item| text(item))
            + self::orders(orders)
            + list(segments, |_| 0)
            + list(rules_fired, |_| 0)
            + list(fires, |(_, fires)| list(fires, |_| 0))
    }
}

fn session(session: &Session) -> usize {
    let previous = session.previous.as_deref().map_or(0, |previous| {
        let values = list(previous.values.as_slice(), |(_, held)| match held {
            Held::Sum(_) => 0,
            Held::Points(held) => points(held),
            Held::Frequencies(held) => frequencies(held),
        });
        allocated(size_of_val(previous)) + visit(&previous.visit) + values
    });
    visit(&session.current) + previous
}

fn visit(visit: &Visit) -> usize {
    let page = |page: &PageView| text(&page.path) + page.medium.as_deref().map_or(0, text);
    let entry = visit.entry.as_deref().map_or(0, |entry| allocated(size_of_val(entry)) + page(entry));
    let scrolls = list(visit.scrolls.as_slice(), |scroll| scroll.path.as_deref().map_or(0, text));
    entry + list(&visit.pages, page) + scrolls
}

fn orders(orders: &Orders) -> usize {
    let money = |money: &Money| text(&money.currency);
    let order = |order: &Order| money(&order.money) + list(&order.refunds, |refund| money(&refund.money));
    list(&orders.revenue, |revenue| text(&revenue.currency))
        + list(&orders.seen, |_| 0)
        + list(&orders.ledger, order)
        + list(&orders.items, |item| text(item))
}

fn counter(counter: &Counter) -> usize {
    buckets(&counter.buckets)
}

fn buckets(buckets: &Buckets) -> usize {
    list(buckets.packed(), |_| 0)
}

fn frequencies(frequencies: &Frequencies) -> usize {
    list(frequencies.as_slice(), |(value, of_value)| text(value) + counter(of_value))
}

fn points(points: &Points) -> usize {
    list(points.as_slice(), |point| scalar(&point.value))
}

fn properties(properties: &Properties) -> usize {
    let elements = properties.len() * size_of::<(compact_str::CompactString, Scalar)>();
    let texts: usize = properties.iter().map(|(name, value)| text(name) + scalar(value)).sum();
    if properties.is_empty() { 0 } else { allocated(HEADER + elements) + texts }
}

fn scalar(scalar: &Scalar) -> usize {
    match scalar {
        Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Float(_) => 0,
        Scalar::Text(value) => text(value),
        Scalar::Texts(values) => list(values, |value| text(value)),
    }
}

fn list<T>(list: &[T], element: impl Fn(&T) -> usize) -> usize {
    if list.is_empty() {
        return 0;
    }
    allocated(HEADER + size_of_val(list)) + list.iter().map(element).sum::<usize>()
}

fn text(text: &str) -> usize {
    if text.len() > TEXT_INLINE { allocated(text.len()) } else { 0 }
}

/// What an allocator takes for so many bytes: four sizes between one power of two and the next, as jemalloc has them.
fn allocated(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 8).max(16);
    bytes.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use thin_vec::thin_vec;

    use super::*;
    use crate::domain::affinity::Affinity;
    use crate::domain::profile::Revenue;
    use crate::domain::rulebook::NameId;
    use crate::domain::seen::SeenId;
    use crate::domain::time::Timestamp;

    #[test]
    fn sizes_are_those_of_jemalloc() {
        let sizes = [1, 16, 17, 129, 161, 392, 528, 640, 641, 2_065].map(allocated);
        assert_eq!(sizes, [16, 16, 32, 160, 192, 448, 640, 640, 768, 2_560]);
    }

    /// Thirty-two message ids are 16 + 32 x 16 bytes, for which an allocator takes 640; a text of a hundred takes 112.
    #[test]
    fn whatever_a_profile_holds_counts() {
        let long = || "x".repeat(100).into();
        let taken = |fill: fn(&mut Profile, compact_str::CompactString)| {
            let mut profile = Profile::default();
            fill(&mut profile, long());
            profile.footprint() - Profile::default().footprint()
        };
        let seen = SeenId { hash: 1, at: Timestamp::EARLIEST };
        let with_ids = Profile { seen: thin_vec![seen; 32], ..Profile::default() };
        assert_eq!(with_ids.footprint() - Profile::default().footprint(), 640);
        let filled = [
            taken(|profile, long| profile.cause = Cause::Event(long)),
            taken(|profile, long| profile.traits.set("plan", Scalar::Text(long))),
            taken(|profile, long| profile.recent = thin_vec![long]),
            taken(|profile, long| profile.orders.items = thin_vec![long]),
            taken(|profile, long| {
                profile.orders.revenue = thin_vec![Revenue { currency: long, hundredths: 1 }];
            }),
            taken(|profile, long| {
                profile.interests = thin_vec![(NameId(1), thin_vec![Affinity::new(&long, 0)])];
            }),
            taken(|profile, long| {
                let page = PageView { at: Timestamp::EARLIEST, path: long, medium: None };
                profile.session.current.pages = thin_vec![page.clone()];
                profile.session.current.entry = Some(Box::new(page));
            }),
        ];
        // The list's header, its one element and the text.
        assert_eq!(filled, [112, 80 + 112, 48 + 112, 48 + 112, 48 + 112, 32 + 80 + 112, 80 + 64 + 2 * 112]);
    }
}
