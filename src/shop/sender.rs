//! Sends what somebody does in one visit: gives each deed its time and its shape, and makes the stream as
//! untidy as real ones are: late, repeated, broken.

use super::damage::broken;
use super::deed::{Deed, Habits, Verb};
use super::random::Random;
use super::shopper::Shopper;
use super::wording::{Shape, Telling, instant};
use super::{Kind, ShopRecord, ShopSettings, ShopTopic};
use crate::domain::time::Timestamp;

/// A copy follows its original after at most this many of the person's records, less one.
const COPY_DISTANCE_MAX: i64 = 19;

/// Makes records of visits.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    seed: u64,
    shares: Shares,
    random: Random,
    visits: u64,
    messages: u64,
}

/// How many records of a kind there are, in thousandths of what they are added to or taken from, such that
/// each kind has its declared share of all records in the end.
#[derive(Clone, Debug)]
struct Shares {
    duplicates: u32,
    malformed: u32,
    requests: u32,
    tidy: u32,
    late_per_mille: u32,
}

/// One visit while it is being sent.
struct Visit {
    session: String,
    shape: Shape,
    is_scripted: bool,
    at_ms: i64,
    copies: Vec<(i64, ShopRecord)>,
    records: Vec<ShopRecord>,
}

impl Sender {
    pub(crate) fn new(settings: &ShopSettings) -> Sender {
        Sender {
            seed: settings.seed,
            shares: Shares::of(settings),
            // Not the same numbers that draw the persons.
            random: Random::new(settings.seed ^ 0x5e4d_e125),
            visits: 0,
            messages: 0,
        }
    }

    /// The records of a visit that begins at this instant, and none of which is sent before it. Afterwards
    /// the shopper is away for longer than a session's gap. A scripted visit has just the requests that its
    /// script has, and none of its records is late.
    pub(crate) fn send(
        &mut self,
        begins_ms: i64,
        shopper: &mut Shopper,
        deeds: Vec<Deed>,
        is_scripted: bool,
        habits: &Habits,
    ) -> Vec<ShopRecord> {
        let mut visit = self.begin(begins_ms, shopper, is_scripted);
        for deed in deeds {
            self.tell(&mut visit, shopper, &deed, habits);
            if deed.verb == Verb::Order && !is_scripted {
                self.tell_of_order_again(&mut visit, shopper, &deed, habits);
            }
            let asks = !is_scripted && deed.verb != Verb::Order;
            if asks && self.random.odds(self.shares.requests, self.shares.tidy) {
                self.tell(&mut visit, shopper, &Deed::ask_after(deed.verb), habits);
            }
        }
        visit.release(i64::MAX);
        let last_ms = visit.records.iter().map(|record| record.at.ms()).max().unwrap_or(begins_ms);
        shopper.free_at_ms = last_ms + self.random.between(45, 600) * 60_000;
        visit.records
    }

    fn begin(&mut self, begins_ms: i64, shopper: &Shopper, is_scripted: bool) -> Visit {
        self.visits += 1;
        // Only Segment's shape says enough for a device's clock to be corrected.
        let shape =
            if shopper.skew_ms != 0 { Some(Shape::Segment) } else { self.random.pick(&Shape::ALL).copied() };
        Visit {
            session: format!("s{:x}-{}", self.seed, self.visits),
            shape: shape.unwrap_or(Shape::Plain),
            is_scripted,
            at_ms: begins_ms,
            copies: Vec::new(),
            records: Vec::new(),
        }
    }

    /// One record, now and then with a copy to follow or a broken one behind it.
    fn tell(&mut self, visit: &mut Visit, shopper: &Shopper, deed: &Deed, habits: &Habits) {
        self.messages += 1;
        visit.at_ms += self.random.between(2_000, 40_000);
        let record = self.record(visit, shopper, deed, habits);
        if self.random.odds(self.shares.duplicates, self.shares.tidy_and_requests()) {
            let copy = ShopRecord { kind: Kind::Duplicate, ..record.clone() };
            visit.copies.push((self.random.between(1, COPY_DISTANCE_MAX), copy));
        }
        visit.records.push(record);
        visit.release(1);
        if self.random.odds(self.shares.malformed, self.shares.tidy_and_requests()) {
            let (value, code) = broken(&instant(visit.at_ms), &mut self.random);
            let key = visit.session.clone().into_bytes();
            let at = Timestamp::from_ms(visit.at_ms + 1_000);
            let kind = Kind::Malformed(code);
            visit.records.push(ShopRecord { topic: ShopTopic::Clickstream, key, value, at, kind });
        }
    }

    /// The page tells of half of all orders, too; some are paid back in part, and some cancelled.
    fn tell_of_order_again(&mut self, visit: &mut Visit, shopper: &Shopper, order: &Deed, habits: &Habits) {
        let id = format!("order-{}", self.message_id());
        for (verb, per_mille) in [(Verb::Thank, 500), (Verb::Refund, 100), (Verb::Cancel, 60)] {
            if self.random.per_mille(per_mille) {
                let deed = Deed::new(verb, order.lines.clone(), id.clone());
                self.tell(visit, shopper, &deed, habits);
            }
        }
    }

    /// The id of the last message.
    fn message_id(&self) -> String {
        format!("{:x}-{}", self.seed, self.messages)
    }

    fn record(&mut self, visit: &Visit, shopper: &Shopper, deed: &Deed, habits: &Habits) -> ShopRecord {
        // A page that asks waits for the answer, and a back end has no device that loses its connection.
        let of_back_end = deed.verb.is_of_back_end();
        let may_be_late = !visit.is_scripted && deed.verb != Verb::Ask && !of_back_end;
        let is_late = may_be_late && self.random.per_mille(self.shares.late_per_mille);
        let delay_ms =
            if is_late { self.random.between(60_000, 600_000) } else { self.random.between(20, 400) };
        let id = self.message_id();
        let telling = Telling {
            deed,
            identity: &shopper.identity,
            id: &id,
            session: &visit.session,
            at_ms: visit.at_ms,
            sent_ms: visit.at_ms + delay_ms,
            skew_ms: shopper.skew_ms,
            assortment: &habits.assortment,
        };
        ShopRecord {
            topic: if of_back_end { ShopTopic::Orders } else { ShopTopic::Clickstream },
            key: if of_back_end { format!("order-{id}") } else { visit.session.clone() }.into_bytes(),
            value: serde_json::to_vec(&telling.value(visit.shape)).expect("a JSON tree can be written"),
            at: Timestamp::from_ms(telling.sent_ms),
            kind: Kind::Good,
        }
    }
}

impl Visit {
    /// Sends the copies that are due after `steps` more records, never before their originals.
    fn release(&mut self, steps: i64) {
        let now_ms = self.at_ms + 1_000;
        for (left, copy) in &mut self.copies {
            *left -= steps;
            copy.at = copy.at.max(Timestamp::from_ms(now_ms));
        }
        let due = self.copies.extract_if(.., |(left, _)| *left <= 0);
        self.records.extend(due.map(|(_, copy)| copy));
    }
}

impl Shares {
    fn of(settings: &ShopSettings) -> Shares {
        let duplicates = settings.duplicates_per_mille.min(300);
        let malformed = settings.malformed_per_mille.min(300);
        let requests = settings.decision_requests_per_mille.min(300);
        let tidy = 1000 - duplicates - malformed - requests;
        let late_per_mille = settings.late_per_mille.min(1000);
        Shares { duplicates, malformed, requests, tidy, late_per_mille }
    }

    fn tidy_and_requests(&self) -> u32 {
        self.tidy + self.requests
    }
}
