//! A shop that does not exist: persons with tastes look around, fill carts, order and forget, and its
//! clickstream, its orders and its content come out as the records that a real one would send. The demo,
//! the tests on a broker and the benchmarks replay it.
//!
//! A shop is its settings: the same ones give the same bytes, on every machine, for ever. It reads no clock
//! and does no I/O; sending the records is for those who use it. It is not a model of how people shop: rates
//! are plausible, no more.
//!
//! What a stream has:
//!
//! - One line of time: records come in the order of `at`, and the visits of persons overlap.
//! - One person at a time makes one visit; within it events are in order but for the late ones. Between two
//!   visits lies more than half an hour.
//! - Keys are those of the session or the order, never of the person, so that somebody has to re-key.
//! - Four shapes of JSON, device clocks that are wrong (and can be corrected), repetitions, broken records.
//! - Ada, user id `ada`, whose five visits follow a script: shoes, shoes, a tent left in the cart, the tent
//!   bought, tents again. Her story takes at least five days to make sense.

mod assortment;
mod damage;
mod deed;
mod random;
mod sender;
mod shopper;
mod story;
#[cfg(test)]
mod tests;
mod wording;

use std::collections::BTreeMap;

use crate::codec::reject::RejectCode;
use crate::domain::time::Timestamp;
use assortment::Assortment;
use deed::Habits;
use random::{Random, Zipf};
use sender::Sender;
use shopper::{Identity, Shopper};
use story::{ADA, Story};

/// A complete configuration for this shop. Where Kafka and the registry are it leaves to the environment.
pub const CONFIG: &str = include_str!("shop.yaml");

/// How many other persons are asked when the first whom the shop would like to see is busy.
const TRIES_MAX: usize = 16;

/// The stream of events, in the order of sending.
#[derive(Clone, Debug)]
pub struct Shop {
    settings: ShopSettings,
    habits: Habits,
    /// Ada is the first.
    shoppers: Vec<Shopper>,
    /// How often each of the others comes.
    frequency: Zipf,
    story: Story,
    sender: Sender,
    random: Random,
    /// Records that are made but whose time has not come, by time and number.
    waiting: BTreeMap<(Timestamp, usize), ShopRecord>,
    made: usize,
    sent: usize,
}

/// What a shop is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopSettings {
    /// Which of all shops.
    pub seed: u64,
    /// How many persons there are, with Ada; 2 where fewer are asked for.
    pub persons: usize,
    /// How many records the stream has, on all topics but that of content.
    pub events: usize,
    /// When the first visit begins.
    pub starts_at: Timestamp,
    /// From the first visit to the last, in milliseconds. Few persons with many events take longer, since
    /// each makes one visit at a time.
    pub duration_ms: i64,
    /// The share of records that are exact copies of an earlier one, in thousandths of all; at most 300.
    pub duplicates_per_mille: u32,
    /// The share of events that are sent one to ten minutes after they happened, in thousandths; neither
    /// orders nor requests nor Ada's are.
    pub late_per_mille: u32,
    /// The share of records that cannot be used, in thousandths of all; at most 300.
    pub malformed_per_mille: u32,
    /// The share of persons who have no account, in thousandths. They never order.
    pub anonymous_per_mille: u32,
    /// The share of records that ask for a decision, in thousandths of all; at most 300.
    pub decision_requests_per_mille: u32,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopRecord {
    /// Where it is sent.
    pub topic: ShopTopic,
    /// The record's key.
    pub key: Vec<u8>,
    /// The record's value: JSON, unless it is malformed.
    pub value: Vec<u8>,
    /// The time of the Kafka record: when it was sent.
    pub at: Timestamp,
    /// What is to be expected of it.
    pub kind: Kind,
}

/// The topics of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShopTopic {
    /// What browsers and apps send.
    Clickstream,
    /// What the back end sends.
    Orders,
    /// The content that decisions choose from.
    Content,
}

/// What is to be expected of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It counts.
    Good,
    /// It is an exact copy of one of the person's last 20 good records, and must not count.
    Duplicate,
    /// It becomes a dead letter with this code.
    Malformed(RejectCode),
}

impl ShopTopic {
    /// The topic's name in [`CONFIG`].
    pub fn name(self) -> &'static str {
        match self {
            ShopTopic::Clickstream => "clickstream",
            ShopTopic::Orders => "orders",
            ShopTopic::Content => "content",
        }
    }
}

impl Shop {
    /// The shop with these settings.
    pub fn new(settings: ShopSettings) -> Shop {
        let (habits, mut random) = (Habits::new(), Random::new(settings.seed));
        let persons = settings.persons.max(2);
        let ada = Identity::User(ADA.into(), "device-of-ada".into());
        let mut ada = Shopper::new(ada, &habits, &mut random);
        // Her clock is right, so that what she does is where her story says.
        ada.skew_ms = 0;
        let mut shoppers = vec![ada];
        for number in 1..persons {
            let identity = identity(number, settings.anonymous_per_mille, &mut random);
            shoppers.push(Shopper::new(identity, &habits, &mut random));
        }
        Shop {
            habits,
            shoppers,
            frequency: Zipf::new(persons - 1, 0.5),
            story: Story::default(),
            sender: Sender::new(&settings),
            random,
            waiting: BTreeMap::new(),
            made: 0,
            sent: 0,
            settings,
        }
    }

    /// The content that decisions choose from, for the catalogue topic: the key is the content's id. It is
    /// the same for every shop.
    pub fn contents(&self) -> Vec<ShopRecord> {
        let contents = Assortment::new().contents();
        let records = contents.into_iter().map(|(id, value)| ShopRecord {
            topic: ShopTopic::Content,
            key: id.into_bytes(),
            value: value.to_string().into_bytes(),
            at: self.settings.starts_at,
            kind: Kind::Good,
        });
        records.collect()
    }

    /// When the next visit begins: as far into the duration as the records made so far are of all. So the
    /// stream has its number of records and its duration, whatever the visits turn out to be.
    fn clock(&self) -> Timestamp {
        let passed = i128::from(self.settings.duration_ms.max(0)) * self.made as i128;
        let passed = passed / self.settings.events.max(1) as i128;
        self.settings.starts_at.plus_ms(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// Makes the records of one visit that begins now or later.
    fn open(&mut self, now: Timestamp) {
        let passed_ms = now.since_ms(self.settings.starts_at);
        let due = self.story.due_per_mille().map(|share| self.settings.duration_ms / 1000 * share);
        let is_ada = due.is_some_and(|due_ms| due_ms <= passed_ms);
        let number = if is_ada { 0 } else { self.somebody(now) };
        let Some(shopper) = self.shoppers.get_mut(number) else { return };
        let deeds = if is_ada {
            self.story.next_visit(&self.habits)
        } else {
            shopper.visit(&self.habits, &mut self.random)
        };
        let begins_ms = now.ms().max(shopper.free_at_ms);
        for record in self.sender.send(begins_ms, shopper, deeds, is_ada, &self.habits) {
            self.waiting.insert((record.at, self.made), record);
            self.made += 1;
        }
    }

    /// Somebody who is not here; where all who are asked are busy, the last of them, who will come later.
    fn somebody(&mut self, now: Timestamp) -> usize {
        let mut number = 1;
        for _ in 0..TRIES_MAX {
            number = 1 + self.frequency.rank(&mut self.random);
            if self.shoppers.get(number).is_some_and(|shopper| shopper.free_at_ms <= now.ms()) {
                break;
            }
        }
        number
    }
}

impl Iterator for Shop {
    type Item = ShopRecord;

    fn next(&mut self) -> Option<ShopRecord> {
        while self.sent < self.settings.events {
            let now = self.clock();
            // No visit that is still to be made has a record before now.
            let first = self.waiting.first_entry().filter(|first| first.key().0 <= now);
            if let Some(record) = first {
                self.sent += 1;
                return Some(record.remove());
            }
            if self.made >= self.settings.events {
                self.sent += 1;
                return self.waiting.pop_first().map(|(_, record)| record);
            }
            self.open(now);
        }
        None
    }
}

fn identity(number: usize, anonymous_per_mille: u32, random: &mut Random) -> Identity {
    let device = format!("device-{number}");
    if random.per_mille(anonymous_per_mille) {
        Identity::Device(device)
    } else {
        Identity::User(format!("user-{number}"), device)
    }
}
