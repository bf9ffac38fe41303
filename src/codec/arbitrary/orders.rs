//! Arbitrary orders.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{instant, text};
use crate::domain::event::Money;
use crate::domain::profile::{Orders, Revenue};
use crate::domain::purchase::{Order, OrderStatus, Refund};

pub(super) fn orders() -> impl Strategy<Value = Orders> {
    let revenue = (text(), any::<i64>());
    let revenue = revenue.prop_map(|(currency, hundredths)| Revenue { currency, hundredths });
    let times = (option::of(instant()), option::of(instant()));
    let lists = (vec(any::<u64>(), 0..4), vec(order(), 0..3), vec(text(), 0..4));
    (any::<u64>(), any::<u64>(), vec(revenue, 0..3), times, lists).prop_map(
        |(count, units, revenue, (first_at, last_at), (seen, ledger, items))| Orders {
            count,
            units,
            revenue: revenue.into(),
            first_at,
            last_at,
            seen: seen.into(),
            ledger: ledger.into(),
            items: items.into(),
        },
    )
}

fn order() -> impl Strategy<Value = Order> {
    let status =
        prop::sample::select(vec![OrderStatus::Expected, OrderStatus::Placed, OrderStatus::Cancelled]);
    let refund = (any::<u64>(), any::<bool>(), money());
    let refund = refund.prop_map(|(id, trusted, money)| Refund { id, trusted, money });
    let flags = (status, any::<bool>(), any::<bool>(), any::<bool>());
    (any::<u64>(), flags, instant(), instant(), money(), any::<u64>(), vec(refund, 0..3)).prop_map(
        |(id, (status, counted, late, trusted), at, told_at, money, units, refunds)| Order {
            id,
            status,
            counted,
            late,
            at,
            told_at,
            trusted,
            money,
            units,
            refunds: refunds.into(),
        },
    )
}

fn money() -> impl Strategy<Value = Money> {
    (text(), any::<i64>()).prop_map(|(currency, hundredths)| Money { hundredths, currency })
}
