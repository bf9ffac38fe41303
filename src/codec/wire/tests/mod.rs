//! What whole records become, shape by shape, and what hostile ones do not.

mod avro;
mod catalogue;
mod debezium;
mod hostile;
mod rejects;
mod schema;
mod shapes;
mod site;

use std::sync::Arc;

use super::{Aliases, Clock, Ids, Source};
use crate::domain::event::{Event, Item};
use crate::domain::person::Person;
use crate::domain::scalar::{Properties, Scalar};
use crate::domain::time::Timestamp;

/// The time of every Kafka record: 2026-01-05T10:01:00Z.
const RECORD_TIME: Timestamp = Timestamp::from_ms(1_767_607_260_000);
/// 2026-01-05T10:00:00Z, when most events happened.
const AT: Timestamp = Timestamp::from_ms(1_767_607_200_000);

fn source() -> Source {
    Source {
        topic: "clickstream".into(),
        clock: Clock::Automatic,
        ids: Ids::ByKind,
        aliases: Arc::new(Aliases::standard()),
        known_events: None,
        table: None,
        schemas: Arc::default(),
        record_bytes_max: 2 * 1024 * 1024,
    }
}

/// An event of `u1` at `AT` that says nothing else.
fn event(message_id: &str, name: &str) -> Event {
    Event {
        message_id: message_id.into(),
        name: name.into(),
        person: Person::bare("user:u1"),
        timestamp: AT,
        original_timestamp: AT,
        received_at: RECORD_TIME,
        time_clamped: false,
        source: "clickstream".into(),
        items: Vec::new(),
        order_id: None,
        value: None,
        request: None,
        page: None,
        properties: Properties::default(),
        traits: Properties::default(),
    }
}

fn item(item_id: &str, category: Option<&str>, price_hundredths: Option<i64>, quantity: u32) -> Item {
    Item {
        item_id: item_id.into(),
        category: category.map(Into::into),
        brand: None,
        price_hundredths,
        quantity,
    }
}

fn properties<const N: usize>(entries: [(&str, Scalar); N]) -> Properties {
    let mut properties = Properties::default();
    for (name, value) in entries {
        properties.set(name, value);
    }
    properties
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.into())
}
