//! Orders, refunds and cancellations, told by anybody: the shop's page, its back end, or both, once or several
//! times, in any order. Each order counts once. Whose word on its money counts is declared: what a trusted
//! source says replaces what others said, and a later word of it an earlier one.

use compact_str::CompactString;
use thin_vec::ThinVec;

use super::attribute;
use super::decision::Emission;
use super::event::{Event, Money, ORDER_CANCELLED, ORDER_COMPLETED, ORDER_REFUNDED};
use super::growth::make_room;
use super::limit::Limit;
use super::profile::Orders;
use super::react::{Change, remember_first};
use super::time::Timestamp;

/// How many orders a person's profile holds one by one; of older ones only the sums are known.
pub const ORDERS_MAX: usize = 256;
const REFUNDS_MAX: usize = 32;
const ITEMS_BOUGHT_MAX: usize = 200;

/// One order, as far as it was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The XXH3 hash of its id.
    pub id: u64,
    /// Whether it was placed.
    pub status: OrderStatus,
    /// Whether an event that placed it has counted as one.
    pub counted: bool,
    /// Whether that event came too late for windows.
    pub late: bool,
    /// When it was placed, by who told of it first.
    pub at: Timestamp,
    /// When what counts was said, in event time.
    pub told_at: Timestamp,
    /// Whether a trusted source said it.
    pub trusted: bool,
    /// What it is worth.
    pub money: Money,
    /// Its units.
    pub units: u64,
    /// What was paid back, by the XXH3 hash of the refund's id.
    pub refunds: ThinVec<Refund>,
}

/// Whether an order was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    /// Nobody has told of it yet, but of a refund for it.
    Expected,
    /// It was.
    Placed,
    /// It was and is no more.
    Cancelled,
}

/// Money that was paid back.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// The XXH3 hash of its id; of nothing where it has none.
    pub id: u64,
    /// Whether a trusted source said it.
    pub trusted: bool,
    /// How much.
    pub money: Money,
}

/// What an event says about orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Something new, or nothing about orders.
    First,
    /// What another event said before, or what a trusted one knows better.
    Repeat,
    /// What another event said before, with other money or units.
    Correction,
    /// Something new for which there is no room.
    Lost,
}

/// Takes in what an event says about orders. An event that only says again what is known counts nowhere else.
pub(crate) fn apply(change: &mut Change<'_>, event: &Event) {
    let trusted = change.rules.orders.trusted.contains(&event.source);
    let known = event.order_id.as_ref().filter(|_| is_about_orders(event));
    let Some(order_id) = known else {
        if is_about_orders(event) {
            without_id(change, event);
        }
        return;
    };
    let id = xxhash_rust::xxh3::xxh3_64(order_id.as_bytes());
    if told_to_an_older_version(&change.profile.orders, event, order_id) {
        change.repeated = true;
        return;
    }
    let orders = &mut change.profile.orders;
    if !orders.has_room_for(id) {
        change.emissions.push(Emission::Lost(Limit::Orders));
    }
    let order = orders.order_mut(id, event.timestamp);
    let before = order.clone();
    let news = order.hear(event, trusted);
    if news == News::Lost {
        change.emissions.push(Emission::Lost(Limit::Refunds));
    }
    if news == News::First && &*event.name == ORDER_COMPLETED {
        order.late = change.late;
    }
    let after = order.clone();
    orders.replace(&before, &after);
    change.repeated = news != News::First;
    change.touched.orders |= matches!(news, News::First | News::Correction);
    if news == News::First && &*event.name == ORDER_COMPLETED {
        note_purchase(&mut change.profile.orders, event);
    }
    if news == News::Correction && &*event.name == ORDER_COMPLETED {
        attribute::correct(change, event, &before, &after);
    }
}

fn is_about_orders(event: &Event) -> bool {
    matches!(&*event.name, ORDER_COMPLETED | ORDER_REFUNDED | ORDER_CANCELLED)
}

/// An order or a refund that nobody can recognise again counts each time.
fn without_id(change: &mut Change<'_>, event: &Event) {
    let orders = &mut change.profile.orders;
    let money = event.money();
    match &*event.name {
        ORDER_COMPLETED => {
            orders.count = orders.count.saturating_add(1);
            orders.units = orders.units.saturating_add(units(event));
            orders.add_revenue(&money.currency, money.hundredths);
            note_purchase(orders, event);
        }
        ORDER_REFUNDED => orders.add_revenue(&money.currency, money.hundredths.saturating_neg()),
        _ => {}
    }
    change.touched.orders = true;
}

/// Rows of before there was a list of orders hold only the hash of what was told.
fn told_to_an_older_version(orders: &Orders, event: &Event, order_id: &str) -> bool {
    let hash = || xxhash_rust::xxh3::xxh3_64(format!("{}|{order_id}", event.name).as_bytes());
    !orders.seen.is_empty() && orders.seen.contains(&hash())
}

/// What counts however the order turns out.
fn note_purchase(orders: &mut Orders, event: &Event) {
    let at = event.timestamp;
    orders.first_at = Some(orders.first_at.map_or(at, |first| first.min(at)));
    orders.last_at = Some(orders.last_at.map_or(at, |last| last.max(at)));
    for item in event.items.iter().filter(|item| !item.item_id.is_empty()) {
        remember_first(&mut orders.items, &item.item_id, ITEMS_BOUGHT_MAX);
    }
}

fn units(event: &Event) -> u64 {
    event.items.iter().map(|item| u64::from(item.quantity)).fold(0, u64::saturating_add)
}

impl Order {
    fn expected(id: u64, at: Timestamp) -> Order {
        let money = Money { hundredths: 0, currency: CompactString::default() };
        let (trusted, units, refunds) = (false, 0, ThinVec::new());
        let (status, told_at) = (OrderStatus::Expected, Timestamp::EARLIEST);
        Order { id, status, counted: false, late: false, at, told_at, trusted, money, units, refunds }
    }

    fn hear(&mut self, event: &Event, trusted: bool) -> News {
        match &*event.name {
            ORDER_COMPLETED => self.complete(event, trusted),
            ORDER_CANCELLED => self.cancel(event, trusted),
            _ => self.refund(event, trusted),
        }
    }

    fn complete(&mut self, event: &Event, trusted: bool) -> News {
        let known = self.status != OrderStatus::Expected;
        if known && (!trusted || (self.trusted && event.timestamp <= self.told_at)) {
            return News::Repeat;
        }
        self.status = OrderStatus::Placed;
        self.money = event.money();
        self.units = units(event);
        (self.trusted, self.told_at) = (trusted, event.timestamp);
        if std::mem::replace(&mut self.counted, true) {
            return News::Correction;
        }
        self.at = event.timestamp;
        News::First
    }

    fn cancel(&mut self, event: &Event, trusted: bool) -> News {
        // Of two words said at one instant, the cancellation is the later.
        let overruled = self.trusted && (!trusted || event.timestamp < self.told_at);
        if overruled {
            return News::Repeat;
        }
        (self.trusted, self.told_at) = (trusted, event.timestamp);
        let before = std::mem::replace(&mut self.status, OrderStatus::Cancelled);
        if before == OrderStatus::Cancelled { News::Repeat } else { News::First }
    }

    fn refund(&mut self, event: &Event, trusted: bool) -> News {
        let id = event.properties.text("refund_id").unwrap_or_default();
        let refund = Refund { id: xxhash_rust::xxh3::xxh3_64(id.as_bytes()), trusted, money: event.money() };
        let room = self.refunds.len() < REFUNDS_MAX;
        match self.refunds.iter_mut().find(|known| known.id == refund.id) {
            Some(known) if trusted && !known.trusted => {
                *known = refund;
                News::Correction
            }
            None if room => {
                self.refunds.push(refund);
                News::First
            }
            None => News::Lost,
            Some(_) => News::Repeat,
        }
    }

    /// What it adds to the revenue, by currency. What was paid back for a cancelled order is part of what is
    /// taken off for it.
    fn revenue(&self) -> impl Iterator<Item = (&str, i64)> {
        let placed =
            (self.status == OrderStatus::Placed).then_some((&*self.money.currency, self.money.hundredths));
        let refunds = self.refunds.iter().filter(|_| self.status != OrderStatus::Cancelled);
        let refunds =
            refunds.map(|refund| (&*refund.money.currency, refund.money.hundredths.saturating_neg()));
        placed.into_iter().chain(refunds)
    }

    fn counts(&self) -> (u64, u64) {
        if self.status == OrderStatus::Placed { (1, self.units) } else { (0, 0) }
    }
}

impl Orders {
    fn has_room_for(&self, id: u64) -> bool {
        self.ledger.len() < ORDERS_MAX || self.ledger.iter().any(|order| order.id == id)
    }

    /// The order with this id, else a new one in the place of the oldest of too many.
    fn order_mut(&mut self, id: u64, at: Timestamp) -> &mut Order {
        let place = match self.ledger.iter().position(|order| order.id == id) {
            Some(place) => place,
            None => {
                if self.ledger.len() >= ORDERS_MAX {
                    self.ledger.remove(0);
                }
                make_room(&mut self.ledger);
                self.ledger.push(Order::expected(id, at));
                self.ledger.len() - 1
            }
        };
        self.ledger.get_mut(place).expect("the order was found or has just been added")
    }

    /// Takes off what an order was and adds what it is.
    fn replace(&mut self, before: &Order, after: &Order) {
        let ((count_before, units_before), (count, units)) = (before.counts(), after.counts());
        self.count = self.count.saturating_sub(count_before).saturating_add(count);
        self.units = self.units.saturating_sub(units_before).saturating_add(units);
        for (currency, hundredths) in before.revenue() {
            self.add_revenue(currency, hundredths.saturating_neg());
        }
        for (currency, hundredths) in after.revenue() {
            self.add_revenue(currency, hundredths);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Item;
    use crate::domain::person::Person;
    use crate::domain::scalar::{Properties, Scalar};

    fn told(name: &str, minutes: i64, hundredths: i64, quantity: u32) -> Event {
        let at = Timestamp::from_ms(minutes * 60_000);
        Event {
            message_id: "m".into(),
            name: name.into(),
            person: Person::bare("u"),
            timestamp: at,
            original_timestamp: at,
            received_at: at,
            time_clamped: false,
            source: "s".into(),
            items: vec![Item { quantity, ..Item::default() }],
            order_id: Some("o-1".into()),
            value: Some(Money { hundredths, currency: "EUR".into() }),
            request: None,
            page: None,
            properties: Properties::default(),
            traits: Properties::default(),
        }
    }

    fn refund(id: &str, hundredths: i64) -> Event {
        let mut event = told(ORDER_REFUNDED, 9, hundredths, 0);
        event.properties.set("refund_id", Scalar::Text(id.into()));
        event
    }

    fn after(tellings: &[(Event, bool)]) -> (u64, u64, i64) {
        let mut orders = Orders::default();
        for (event, trusted) in tellings {
            let order = orders.order_mut(1, event.timestamp);
            let before = order.clone();
            order.hear(event, *trusted);
            let after = order.clone();
            orders.replace(&before, &after);
        }
        (orders.count, orders.units, orders.revenue.first().map_or(0, |revenue| revenue.hundredths))
    }

    /// Every order in which some events may arrive.
    fn arrivals(tellings: &[(Event, bool)]) -> Vec<Vec<(Event, bool)>> {
        match tellings {
            [] => vec![Vec::new()],
            _ => (0..tellings.len())
                .flat_map(|first| {
                    let mut rest = tellings.to_vec();
                    let first = rest.remove(first);
                    arrivals(&rest).into_iter().map(move |rest| [vec![first.clone()], rest].concat())
                })
                .collect(),
        }
    }

    #[test]
    fn whatever_arrives_first_the_trusted_source_is_right() {
        let page = (told(ORDER_COMPLETED, 1, 10_000, 2), false);
        let reloaded = (told(ORDER_COMPLETED, 3, 10_000, 2), false);
        let backend = (told(ORDER_COMPLETED, 2, 9_500, 3), true);
        let amended = (told(ORDER_COMPLETED, 4, 8_000, 1), true);
        let refunds = [(refund("r-1", 500), false), (refund("r-1", 700), true), (refund("r-2", 100), true)];
        let all = [&[page, reloaded, backend, amended][..], &refunds].concat();
        for tellings in arrivals(&all) {
            assert_eq!(after(&tellings), (1, 1, 8_000 - 700 - 100), "{tellings:?}");
        }
    }

    #[test]
    fn a_cancelled_order_is_none_whenever_that_is_heard_of() {
        let page = (told(ORDER_COMPLETED, 1, 10_000, 2), false);
        let backend = (told(ORDER_COMPLETED, 2, 9_500, 3), true);
        let cancelled = (told(ORDER_CANCELLED, 3, 0, 0), true);
        let by_the_page = (told(ORDER_CANCELLED, 9, 0, 0), false);
        let all = [page, backend, cancelled, by_the_page, (refund("r-1", 500), true)];
        for tellings in arrivals(&all) {
            assert_eq!(after(&tellings), (0, 0, 0), "{tellings:?}");
        }
        let placed_again = (told(ORDER_COMPLETED, 5, 9_500, 3), true);
        for tellings in arrivals(&[&all[..], &[placed_again]].concat()) {
            assert_eq!(after(&tellings), (1, 3, 9_000), "{tellings:?}");
        }
    }
}
