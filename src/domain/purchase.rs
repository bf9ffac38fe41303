//! Orders and refunds. Each order id counts once, whoever sends it: the shop's page or its back end.

use super::event::{Event, ORDER_COMPLETED, ORDER_REFUNDED};
use super::profile::Profile;
use super::react::{Change, remember_first};

const ORDER_IDS_MAX: usize = 256;
const ITEMS_BOUGHT_MAX: usize = 200;

/// Adds a completed order.
pub(crate) fn complete(change: &mut Change<'_>, event: &Event) {
    let orders = &mut change.profile.orders;
    let at = event.timestamp;
    orders.count = orders.count.saturating_add(1);
    let units = event.items.iter().map(|item| u64::from(item.quantity));
    orders.units = units.fold(orders.units, u64::saturating_add);
    orders.first_at = Some(orders.first_at.map_or(at, |first| first.min(at)));
    orders.last_at = Some(orders.last_at.map_or(at, |last| last.max(at)));
    let money = event.money();
    orders.add_revenue(&money.currency, money.hundredths);
    for item in event.items.iter().filter(|item| !item.item_id.is_empty()) {
        remember_first(&mut orders.items, &item.item_id, ITEMS_BOUGHT_MAX);
    }
    change.touched.orders = true;
}

/// Takes a refund off the revenue.
pub(crate) fn refund(change: &mut Change<'_>, event: &Event) {
    let money = event.money();
    change.profile.orders.add_revenue(&money.currency, money.hundredths.saturating_neg());
    change.touched.orders = true;
}

/// Whether the event is an order or a refund of which another event told before; remembers it if not.
pub(crate) fn is_repeat(profile: &mut Profile, event: &Event) -> bool {
    if !matches!(&*event.name, ORDER_COMPLETED | ORDER_REFUNDED) {
        return false;
    }
    let Some(order_id) = &event.order_id else { return false };
    let hash = xxhash_rust::xxh3::xxh3_64(format!("{}|{order_id}", event.name).as_bytes());
    let seen = &mut profile.orders.seen;
    if seen.contains(&hash) {
        return true;
    }
    if seen.len() >= ORDER_IDS_MAX {
        seen.remove(0);
    }
    seen.push(hash);
    false
}
