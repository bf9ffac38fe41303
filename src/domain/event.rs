//! A behavioural event as the rules see it: decoded, validated, its name canonical and its clock corrected.
//! What the record looked like on the wire is the codec's business.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::person::Person;
use super::scalar::Properties;
use super::time::Timestamp;

/// The canonical name of an event that asks for a decision.
pub const DECISION_REQUEST: &str = "decision_request";
/// The canonical name of a completed order.
pub const ORDER_COMPLETED: &str = "order_completed";
/// The canonical name of an order that is taken back as a whole.
pub const ORDER_CANCELLED: &str = "order_cancelled";
/// The canonical name of a refund.
pub const ORDER_REFUNDED: &str = "order_refunded";
/// The canonical name of a call that states traits of a person.
pub const IDENTIFY: &str = "identify";

/// Whether events of this canonical name are views of a page or of an app's screen.
pub fn is_page(name: &str) -> bool {
    matches!(name, "page_viewed" | "screen_viewed")
}

/// One event of one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The sender's id of this message, 1 to 100 characters; the key of de-duplication.
    pub message_id: CompactString,
    /// The canonical name, such as `product_viewed`.
    pub name: CompactString,
    /// Whose event it is.
    pub person: Person,
    /// When it happened, after correction of the device's clock.
    pub timestamp: Timestamp,
    /// When the device says that it happened.
    pub original_timestamp: Timestamp,
    /// When it was received: the record's `receivedAt`, else the time of the Kafka record.
    pub received_at: Timestamp,
    /// Whether `timestamp` lay in the future and was set to `received_at`.
    pub time_clamped: bool,
    /// The source topic that it came from.
    pub source: CompactString,
    /// The products that it is about. At most 200.
    pub items: Vec<Item>,
    /// The order that it belongs to.
    pub order_id: Option<CompactString>,
    /// The value of the event, where the sender states one.
    pub value: Option<Money>,
    /// What a decision request asks for.
    pub request: Option<DecisionRequest>,
    /// The path of the page on which it happened.
    pub page: Option<CompactString>,
    /// Everything else that the sender said about the event.
    pub properties: Properties,
    /// What an `identify` call says about the person.
    pub traits: Properties,
}

/// A product in an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The product's id.
    pub item_id: CompactString,
    /// Its category.
    pub category: Option<CompactString>,
    /// Its brand.
    pub brand: Option<CompactString>,
    /// The price of one unit, in hundredths of the currency's unit.
    pub price_hundredths: Option<i64>,
    /// How many units; 1 unless said otherwise.
    pub quantity: u32,
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The amount in hundredths of the currency's unit.
    pub hundredths: i64,
    /// The currency's ISO 4217 code.
    pub currency: CompactString,
}

/// What a decision request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRequest {
    /// The requester's id, by which it finds the answer.
    pub request_id: CompactString,
    /// The slot to fill.
    pub slot: CompactString,
    /// Content that the requester does not want. At most 200.
    pub exclude: Vec<CompactString>,
}

#[cfg(test)]
impl Event {
    /// An event of this name that says nothing.
    pub(crate) fn named(name: &str) -> Event {
        Event {
            message_id: "m".into(),
            name: name.into(),
            person: Person::bare("u"),
            timestamp: Timestamp::EARLIEST,
            original_timestamp: Timestamp::EARLIEST,
            received_at: Timestamp::EARLIEST,
            time_clamped: false,
            source: "clicks".into(),
            items: Vec::new(),
            order_id: None,
            value: None,
            request: None,
            page: None,
            properties: Properties::default(),
            traits: Properties::default(),
        }
    }
}

impl Event {
    /// What the event is worth: its stated value, else the sum of price times quantity over its items.
    pub fn money(&self) -> Money {
        if let Some(value) = &self.value {
            return value.clone();
        }
        let hundredths = self.items.iter().fold(0_i64, |sum, item| {
            let line = item.price_hundredths.unwrap_or(0).saturating_mul(i64::from(item.quantity));
            sum.saturating_add(line)
        });
        Money { hundredths, currency: self.currency().into() }
    }

    /// The currency of the event: the ISO 4217 code it states, else `XXX`, the code for none.
    pub fn currency(&self) -> &str {
        if let Some(value) = &self.value {
            return &value.currency;
        }
        self.properties.text("currency").unwrap_or("XXX")
    }
}
