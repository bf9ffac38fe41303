//! The message ids of a person that were seen lately. A repetition is known by its id; whether it says what the first
//! one said is looked at too, since two events under one id are a defect of whoever sends them: the first one counts.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::event::Event;
use super::scalar::{Properties, Scalar};
use super::time::Timestamp;

/// The bits of a hash that are of the content; the others are of the id. One of 256 conflicts looks like a mere
/// repetition, and two ids of one person are taken for the same once in 2^56.
const OF_CONTENT: u64 = 0xff;

/// A message id that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenId {
    /// The high 56 bits of the XXH3 hash of the id, and 8 of a hash of what the event said. Older versions have
    /// written all 64 of the id's.
    pub hash: u64,
    /// The stream time at which it was seen.
    pub at: Timestamp,
}

impl SeenId {
    /// The id of an event, seen at a stream time.
    pub(crate) fn of(event: &Event, at: Timestamp) -> SeenId {
        let id = xxh3_64(event.message_id.as_bytes());
        SeenId { hash: (id & !OF_CONTENT) | (content(event) & OF_CONTENT), at }
    }

    /// Whether both are of one id, whatever the events said.
    pub(crate) fn is_of_same_id(self, other: SeenId) -> bool {
        (self.hash ^ other.hash) & !OF_CONTENT == 0
    }
}

/// A hash of what an event says, but not of when and through whom: what is sent again is received later, and a clock
/// that was put right may give it another time.
fn content(event: &Event) -> u64 {
    let mut hash = Chain(0);
    hash.texts(&[&event.name, event.order_id.as_deref().unwrap_or(""), event.page.as_deref().unwrap_or("")]);
    for item in &event.items {
        hash.texts(&[
            &item.item_id,
            item.category.as_deref().unwrap_or(""),
            item.brand.as_deref().unwrap_or(""),
        ]);
        hash.number(item.price_hundredths.unwrap_or(-1));
        hash.number(i64::from(item.quantity));
    }
    if let Some(value) = &event.value {
        hash.number(value.hundredths);
        hash.texts(&[&value.currency]);
    }
    if let Some(request) = &event.request {
        hash.texts(&[&request.request_id, &request.slot]);
        request.exclude.iter().for_each(|content| hash.texts(&[content]));
    }
    hash.properties(&event.properties);
    hash.properties(&event.traits);
    hash.0
}

/// A hash of parts, each of which is seeded with those before it.
struct Chain(u64);

impl Chain {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn texts(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.bytes(text.as_bytes()));
    }

    fn number(&mut self, number: i64) {
        self.bytes(&number.to_le_bytes());
    }

    fn properties(&mut self, properties: &Properties) {
        self.number(properties.len() as i64);
        for (name, value) in properties.iter() {
            self.texts(&[name]);
            match value {
                Scalar::Bool(value) => self.bytes(&[u8::from(*value)]),
                Scalar::Integer(value) => self.number(*value),
                Scalar::Float(value) => self.bytes(&value.to_le_bytes()),
                Scalar::Text(value) => self.texts(&[value]),
                Scalar::Texts(values) => values.iter().for_each(|value| self.texts(&[value])),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{DecisionRequest, Item, Money};

    #[test]
    fn an_event_is_the_same_whenever_and_through_whom_it_comes() {
        let one = Event::named("product_viewed");
        let later = Timestamp::from_ms(9_000);
        let other = Event {
            timestamp: later,
            original_timestamp: later,
            received_at: later,
            time_clamped: true,
            source: "orders".into(),
            ..one.clone()
        };
        assert_eq!(SeenId::of(&one, later), SeenId::of(&other, later));
    }

    #[test]
    fn whatever_an_event_says_otherwise_shows() {
        let with = |change: &dyn Fn(&mut Event)| {
            let mut event = Event::named("product_viewed");
            change(&mut event);
            event
        };
        let set =
            |name: &'static str, value: Scalar| with(&move |event| event.properties.set(name, value.clone()));
        let item = |item: Item| with(&move |event| event.items = vec![item.clone()]);
        let (request, excluding) = (
            DecisionRequest { request_id: "r".into(), slot: "home".into(), exclude: Vec::new() },
            DecisionRequest { request_id: "r".into(), slot: "home".into(), exclude: vec!["c".into()] },
        );
        let events = [
            with(&|_| {}),
            with(&|event| event.name = "product_added".into()),
            with(&|event| event.order_id = Some("o".into())),
            with(&|event| event.page = Some("/a".into())),
            with(&|event| event.value = Some(Money { hundredths: 100, currency: "EUR".into() })),
            with(&|event| event.value = Some(Money { hundredths: 100, currency: "USD".into() })),
            with(&|event| event.request = Some(request.clone())),
            with(&|event| event.request = Some(excluding.clone())),
            with(&|event| event.traits.set("a", Scalar::Integer(1))),
            set("a", Scalar::Integer(1)),
            set("a", Scalar::Bool(true)),
            set("a", Scalar::Float(1.5)),
            set("a", Scalar::Text("b".into())),
            set("a", Scalar::Texts(vec!["b".into(), "c".into()])),
            item(Item { item_id: "p".into(), ..Item::default() }),
            item(Item { item_id: "p".into(), quantity: 2, ..Item::default() }),
            item(Item { item_id: "p".into(), price_hundredths: Some(0), ..Item::default() }),
            item(Item { item_id: "p".into(), category: Some("c".into()), ..Item::default() }),
            item(Item { item_id: "p".into(), brand: Some("c".into()), ..Item::default() }),
        ];
        let mut contents: Vec<u64> = events.iter().map(content).collect();
        contents.sort_unstable();
        contents.dedup();
        assert_eq!(contents.len(), events.len());
        let seen = SeenId::of(&events[0], Timestamp::EARLIEST);
        assert!(events.iter().all(|event| SeenId::of(event, Timestamp::EARLIEST).is_of_same_id(seen)));
        let renamed = with(&|event| event.message_id = "another".into());
        assert!(!SeenId::of(&renamed, Timestamp::EARLIEST).is_of_same_id(seen));
    }
}
