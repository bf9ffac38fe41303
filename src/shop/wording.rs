//! Deeds as JSON, in the shapes that senders use: Segment's calls, GA4's events, the tag manager's data
//! layer, a plain call with everything at the top, and the order of a back end. All of them must be
//! understood as they are, so none of them is tidied here.

use serde_json::{Map, Value, json};

use super::assortment::Assortment;
use super::deed::{Deed, Line, Verb};
use super::shopper::Identity;

const CURRENCY: &str = "EUR";
/// What the page adds to an order for its delivery.
const DELIVERY_HUNDREDTHS: i64 = 490;

/// The shapes of browsers' and apps' events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"type": "track", "event": "Product Added", "properties": {...}, "context": {...}}`
    Segment,
    /// `{"name": "add_to_cart", "params": {...}}`
    Ga4,
    /// `{"event": "add_to_cart", "ecommerce": {...}}`
    DataLayer,
    /// `{"event": "add_to_cart", "productId": "...", "timestamp": "..."}`
    Plain,
}

impl Shape {
    pub(crate) const ALL: [Shape; 4] = [Shape::Segment, Shape::Ga4, Shape::DataLayer, Shape::Plain];
}

/// A deed with everything that its record says.
pub(crate) struct Telling<'a> {
    pub(crate) deed: &'a Deed,
    pub(crate) identity: &'a Identity,
    /// The id of the message, and of the order or the request that it is about.
    pub(crate) id: &'a str,
    pub(crate) session: &'a str,
    /// When it happened, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// When it was sent.
    pub(crate) sent_ms: i64,
    /// How far the device's clock is ahead, in milliseconds.
    pub(crate) skew_ms: i64,
    pub(crate) assortment: &'a Assortment,
}

impl Telling<'_> {
    /// The value of the record that says it in this shape. Who identifies themselves does so in Segment's,
    /// which alone has a call for it.
    pub(crate) fn value(&self, shape: Shape) -> Value {
        match (self.deed.verb, shape) {
            (Verb::Order | Verb::Refund | Verb::Cancel, _) => self.back_end(),
            (Verb::Identify, _) | (_, Shape::Segment) => self.segment(),
            (_, Shape::Ga4) => self.ga4(),
            (_, Shape::DataLayer) => self.data_layer(),
            (_, Shape::Plain) => self.plain(),
        }
    }

    fn back_end(&self) -> Value {
        let mut value =
            json!({"event": self.segment_name(), "messageId": self.id, "timestamp": instant(self.at_ms)});
        match self.deed.verb {
            Verb::Refund => put(
                &mut value,
                [
                    ("orderId", json!(self.deed.text)),
                    ("refundId", json!(format!("refund-{}", self.id))),
                    ("value", euros(self.sum() / 4)),
                    ("currency", json!(CURRENCY)),
                ],
            ),
            Verb::Cancel => put(&mut value, [("orderId", json!(self.deed.text))]),
            _ => {
                let items = self.deed.lines.iter().map(|line| Value::from(self.product(line, PLAIN)));
                put(
                    &mut value,
                    [
                        ("orderId", json!(format!("order-{}", self.id))),
                        ("items", items.collect()),
                        ("value", euros(self.sum())),
                        ("currency", json!(CURRENCY)),
                    ],
                );
            }
        }
        self.identify(&mut value, "userId", "anonymousId");
        value
    }

    fn segment(&self) -> Value {
        let mut value = json!({
            "messageId": self.id,
            "originalTimestamp": instant(self.at_ms + self.skew_ms),
            "sentAt": instant(self.sent_ms + self.skew_ms),
            "receivedAt": instant(self.sent_ms),
            "context": {
                "library": {"name": "analytics.js", "version": "2.1.0"},
                "page": {"path": self.path(), "url": self.location(), "referrer": self.referrer()},
            },
        });
        self.identify(&mut value, "userId", "anonymousId");
        match self.deed.verb {
            Verb::Identify => put(&mut value, [("type", json!("identify")), ("traits", self.traits())]),
            Verb::Page => put(&mut value, [("type", json!("page")), ("properties", json!({}))]),
            _ => {
                let event = json!(self.segment_name());
                let properties = self.segment_properties().into();
                put(&mut value, [("type", json!("track")), ("event", event), ("properties", properties)]);
            }
        }
        value
    }

    fn segment_properties(&self) -> Map<String, Value> {
        let products = || self.deed.lines.iter().map(|line| Value::from(self.product(line, SEGMENT)));
        match self.deed.verb {
            Verb::List => members([("list_id", json!(self.deed.text)), ("products", products().collect())]),
            Verb::Checkout => members([
                ("products", products().collect()),
                ("revenue", euros(self.sum())),
                ("currency", json!(CURRENCY)),
            ]),
            Verb::Thank => members([
                ("order_id", json!(self.deed.text)),
                ("products", products().collect()),
                ("revenue", euros(self.sum() + DELIVERY_HUNDREDTHS)),
                ("currency", json!(CURRENCY)),
            ]),
            Verb::Search => members([("query", json!(self.deed.text))]),
            Verb::Ask => self.request(),
            _ => {
                let mut product = self.only_product(SEGMENT);
                product.insert("currency".into(), json!(CURRENCY));
                product
            }
        }
    }

    fn ga4(&self) -> Value {
        let mut params = match self.deed.verb {
            Verb::Page => {
                members([("page_location", self.location()), ("page_referrer", json!(self.referrer()))])
            }
            Verb::Search => members([("search_term", json!(self.deed.text))]),
            Verb::Ask => self.request(),
            _ => self.ecommerce(),
        };
        params.insert("ga_session_id".into(), json!(self.session));
        let mut value = json!({
            "name": self.ga4_name(),
            "event_id": self.id,
            "timestamp_micros": self.at_ms * 1000,
            "params": params,
        });
        self.identify(&mut value, "user_id", "user_pseudo_id");
        value
    }

    fn data_layer(&self) -> Value {
        let mut value =
            json!({"event": self.ga4_name(), "event_id": self.id, "timestamp": instant(self.at_ms)});
        self.identify(&mut value, "user_id", "client_id");
        match self.deed.verb {
            Verb::Page => put(&mut value, [("page_location", self.location())]),
            Verb::Search => put(&mut value, [("search_term", json!(self.deed.text))]),
            Verb::Ask => put(&mut value, self.request()),
            _ => put(&mut value, [("ecommerce", self.ecommerce().into())]),
        }
        value
    }

    /// A call from code written by hand. It has no id: what is sent twice is known by being the same.
    fn plain(&self) -> Value {
        let mut value =
            json!({"event": self.ga4_name(), "timestamp": instant(self.at_ms), "sessionId": self.session});
        self.identify(&mut value, "userId", "anonymousId");
        match self.deed.verb {
            Verb::Page => put(&mut value, [("path", json!(self.deed.text))]),
            Verb::Search => put(&mut value, [("query", json!(self.deed.text))]),
            Verb::Ask => put(&mut value, self.request()),
            Verb::List | Verb::Checkout => {
                let items = self.deed.lines.iter().map(|line| Value::from(self.product(line, PLAIN)));
                put(&mut value, [("items", items.collect()), ("currency", json!(CURRENCY))]);
            }
            Verb::Thank => put(&mut value, self.ecommerce()),
            // At the top of a call, `name` would be the event's.
            _ => put(&mut value, self.only_product(PLAIN).into_iter().filter(|(name, _)| name != "name")),
        }
        value
    }

    fn identify(&self, value: &mut Value, user_name: &str, device_name: &str) {
        match self.identity {
            Identity::User(user, device) => {
                put(value, [(user_name, json!(user)), (device_name, json!(device))])
            }
            Identity::Device(device) => put(value, [(device_name, json!(device))]),
        }
    }

    fn ecommerce(&self) -> Map<String, Value> {
        let items = self.deed.lines.iter().map(|line| Value::from(self.product(line, GA4)));
        let thanks = self.deed.verb == Verb::Thank;
        let value = self.sum() + if thanks { DELIVERY_HUNDREDTHS } else { 0 };
        let mut ecommerce =
            members([("currency", json!(CURRENCY)), ("value", euros(value)), ("items", items.collect())]);
        if thanks {
            ecommerce.insert("transaction_id".into(), json!(self.deed.text));
        }
        ecommerce
    }

    fn request(&self) -> Map<String, Value> {
        members([("requestId", json!(format!("request-{}", self.id))), ("slot", json!(self.deed.text))])
    }

    fn traits(&self) -> Value {
        json!({"tier": self.deed.text})
    }

    fn only_product(&self, names: ProductNames) -> Map<String, Value> {
        self.deed.lines.first().map(|line| self.product(line, names)).unwrap_or_default()
    }

    fn product(&self, line: &Line, names: ProductNames) -> Map<String, Value> {
        let product = self.assortment.product(line.product);
        let [id, name, category, brand] = names;
        members([
            (id, json!(product.id)),
            (name, json!(product.name)),
            (category, json!(product.category)),
            (brand, json!(product.brand)),
            ("price", euros(product.price_hundredths)),
            ("quantity", json!(line.quantity)),
        ])
    }

    fn sum(&self) -> i64 {
        let price = |line: &Line| self.assortment.product(line.product).price_hundredths;
        self.deed.lines.iter().map(|line| price(line) * i64::from(line.quantity)).sum()
    }

    fn path(&self) -> String {
        match (self.deed.verb, self.deed.lines.first()) {
            (Verb::Page, _) => self.deed.text.clone(),
            (Verb::View | Verb::Add, Some(line)) => {
                format!("/products/{}", self.assortment.product(line.product).id)
            }
            (Verb::List, _) => format!("/{}", self.deed.text),
            (Verb::Search, _) => "/search".into(),
            (Verb::Remove | Verb::Checkout, _) => "/cart".into(),
            _ => "/".into(),
        }
    }

    fn location(&self) -> Value {
        json!(format!("https://shop.example{}?utm_source=newsletter", self.deed.text))
    }

    /// Some come from a search, some from another page, and of some nothing is known.
    fn referrer(&self) -> &'static str {
        let sites = ["https://www.google.com/search", "https://shop.example/", ""];
        sites.get(self.deed.text.len() % 3).copied().unwrap_or_default()
    }

    fn segment_name(&self) -> &'static str {
        match self.deed.verb {
            Verb::Page => "Page Viewed",
            Verb::Identify => "Identify",
            Verb::List => "Product List Viewed",
            Verb::Search => "Products Searched",
            Verb::View => "Product Viewed",
            Verb::Add => "Product Added",
            Verb::Remove => "Product Removed",
            Verb::Checkout => "Checkout Started",
            Verb::Order | Verb::Thank => "Order Completed",
            Verb::Refund => "Order Refunded",
            Verb::Cancel => "Order Cancelled",
            Verb::Ask => "decision_request",
        }
    }

    fn ga4_name(&self) -> &'static str {
        match self.deed.verb {
            Verb::Page => "page_view",
            Verb::Identify => "identify",
            Verb::List => "view_item_list",
            Verb::Search => "search",
            Verb::View => "view_item",
            Verb::Add => "add_to_cart",
            Verb::Remove => "remove_from_cart",
            Verb::Checkout => "begin_checkout",
            Verb::Order | Verb::Thank => "purchase",
            Verb::Refund => "refund",
            Verb::Cancel => "order_cancelled",
            Verb::Ask => "decision_request",
        }
    }
}

/// What a shape calls a product's id, name, category and brand.
type ProductNames = [&'static str; 4];

const SEGMENT: ProductNames = ["product_id", "name", "category", "brand"];
const GA4: ProductNames = ["item_id", "item_name", "item_category", "item_brand"];
const PLAIN: ProductNames = ["productId", "name", "category", "brand"];

/// An instant in ISO 8601, UTC.
pub(crate) fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

fn euros(hundredths: i64) -> Value {
    json!(hundredths as f64 / 100.0)
}

fn members<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn put<N: Into<String>>(value: &mut Value, entries: impl IntoIterator<Item = (N, Value)>) {
    if let Some(object) = value.as_object_mut() {
        object.extend(entries.into_iter().map(|(name, value)| (name.into(), value)));
    }
}
