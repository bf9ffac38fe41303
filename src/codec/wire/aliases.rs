//! What senders call things, as a table: names of events and of fields in the spellings of Segment, GA4,
//! Snowplow and hand-written calls, each with the one name that the rules know. Not a place for meaning:
//! how a field is read is the business of the other files.

use std::borrow::Cow;
use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::FixedState;

use super::field::Field;

/// Where a field name stands. The same word can mean different things: `name` is the event in a GA4
/// envelope, a property of a page call, and a product in an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The outermost object.
    Envelope,
    /// Properties, parameters, traits and the data layer's `ecommerce`.
    Properties,
    /// One product of a list.
    Item,
    /// A record of the catalogue.
    Content,
}

impl Scope {
    const ALL: [Scope; 4] = [Scope::Envelope, Scope::Properties, Scope::Item, Scope::Content];
}

/// (alias, canonical). What `snake_case` alone makes canonical is not listed.
const EVENTS: &[(&str, &str)] = &[
    ("page_view", "page_viewed"),
    ("screen_view", "screen_viewed"),
    ("view_item", "product_viewed"),
    ("product_view", "product_viewed"),
    ("view_item_list", "product_list_viewed"),
    ("list_view", "product_list_viewed"),
    ("select_item", "product_clicked"),
    ("list_click", "product_clicked"),
    ("search", "products_searched"),
    ("view_search_results", "products_searched"),
    ("add_to_cart", "product_added"),
    ("remove_from_cart", "product_removed"),
    ("view_cart", "cart_viewed"),
    ("begin_checkout", "checkout_started"),
    ("checkout_step", "checkout_started"),
    ("purchase", "order_completed"),
    ("transaction", "order_completed"),
    ("refund", "order_refunded"),
    ("order_canceled", "order_cancelled"),
    ("view_promotion", "promotion_viewed"),
    ("promo_view", "promotion_viewed"),
    ("select_promotion", "promotion_clicked"),
    ("promo_click", "promotion_clicked"),
    ("add_to_wishlist", "product_added_to_wishlist"),
    ("user_engagement", "engagement"),
    ("scroll", "engagement"),
    ("page_ping", "engagement"),
];

/// (scope, canonical, aliases by precedence). The canonical name itself comes before them all.
const FIELDS: &[(Scope, &str, &[&str])] = &[
    (Scope::Envelope, "message_id", &["event_id"]),
    (Scope::Envelope, "event", &["event_name", "name"]),
    (Scope::Envelope, "anonymous_id", &["client_id", "user_pseudo_id", "domain_userid"]),
    (Scope::Envelope, "timestamp", &["timestamp_micros", "event_timestamp"]),
    (Scope::Envelope, "properties", &["params"]),
    (Scope::Properties, "items", &["products"]),
    (Scope::Properties, "item_id", &["product_id", "sku"]),
    (Scope::Properties, "category", &["item_category", "product_category"]),
    (Scope::Properties, "brand", &["item_brand"]),
    (Scope::Properties, "order_id", &["transaction_id"]),
    (Scope::Properties, "value", &["revenue", "total"]),
    (Scope::Properties, "path", &["page_path"]),
    (Scope::Properties, "referrer", &["page_referrer"]),
    (Scope::Properties, "engaged_ms", &["engagement_time_msec", "engagement_time_ms"]),
    (Scope::Properties, "scroll_pct", &["percent_scrolled", "scroll_depth", "scroll_percent"]),
    (Scope::Item, "item_id", &["product_id", "sku", "id", "item_name"]),
    (Scope::Item, "category", &["item_category", "product_category"]),
    (Scope::Item, "brand", &["item_brand"]),
    (Scope::Content, "content_id", &["id"]),
    (Scope::Content, "slots", &["slot_types"]),
    (Scope::Content, "base_weight", &["weight"]),
    (Scope::Content, "item_id", &["product_id", "sku"]),
];

/// The names that senders use and the canonical names that they stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Aliases {
    events: HashMap<CompactString, CompactString, FixedState>,
    /// By scope: what each known name stands for. The spellings that senders use most are in it besides those
    /// of `snake_case`, so that they are found as they stand.
    fields: [HashMap<CompactString, Target, FixedState>; Scope::ALL.len()],
}

#[derive(Clone, Debug, PartialEq)]
struct Target {
    canonical: Canonical<'static>,
    rank: u16,
}

/// The canonical name of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Canonical<'n> {
    /// One that the decoder looks for.
    Field(Field),
    /// Another, which becomes a property.
    Property(Cow<'n, str>),
}

impl<'n> Canonical<'n> {
    /// The name itself.
    pub(super) fn name(&self) -> &str {
        match self {
            Canonical::Field(field) => field.name(),
            Canonical::Property(name) => name,
        }
    }

    /// The name alone.
    pub(super) fn into_name(self) -> Cow<'n, str> {
        match self {
            Canonical::Field(field) => Cow::Borrowed(field.name()),
            Canonical::Property(name) => name,
        }
    }
}

impl Default for Aliases {
    /// No aliases: each name stands for itself.
    fn default() -> Aliases {
        let mut aliases = Aliases { events: HashMap::default(), fields: Default::default() };
        for scope in Scope::ALL {
            for field in Field::ALL {
                aliases.put(scope, field.name(), &Target { canonical: Canonical::Field(field), rank: 0 });
            }
        }
        aliases
    }
}

impl Aliases {
    /// The names of Segment's, GA4's and Snowplow's own specifications.
    pub fn standard() -> Aliases {
        let mut aliases = Aliases::default();
        for (alias, canonical) in EVENTS {
            aliases.add_event(alias, canonical);
        }
        for (scope, canonical, names) in FIELDS {
            for name in *names {
                aliases.add_in(*scope, name, canonical);
            }
        }
        aliases
    }

    /// Lets `alias`, in any spelling that `snake_case` makes equal, stand for the event `canonical`. An
    /// earlier meaning of the alias is replaced.
    pub fn add_event(&mut self, alias: &str, canonical: &str) {
        self.events.insert(snake_case(alias).into(), canonical.into());
    }

    /// Lets `alias`, in any spelling that `snake_case` makes equal, stand for the field `canonical`, in the
    /// envelope, in properties and in items. Where a record has several names of one field, the canonical
    /// one counts, then the standard ones, then those added here, in the order of adding.
    pub fn add_field(&mut self, alias: &str, canonical: &str) {
        for scope in [Scope::Envelope, Scope::Properties, Scope::Item] {
            self.add_in(scope, alias, canonical);
        }
    }

    /// The canonical name of an event: `Product Added`, `productAdded` and `add_to_cart` are all
    /// `product_added`. A name that the table does not know is only written in `snake_case`.
    pub fn canonical_event(&self, name: &str) -> CompactString {
        let name = snake_case(name);
        match self.events.get(&*name) {
            Some(canonical) => canonical.clone(),
            None => name.into(),
        }
    }

    /// The canonical name of a field, and its rank among the names of the same field: 0 is the best.
    pub(super) fn canonical_field<'n>(&'n self, scope: Scope, name: &'n str) -> (Canonical<'n>, u16) {
        let names = self.names(scope);
        if let Some(target) = names.get(name) {
            return target.borrowed();
        }
        let snake = snake_case(name);
        match names.get(&*snake) {
            Some(target) => target.borrowed(),
            None => (Canonical::Property(snake), 0),
        }
    }

    fn names(&self, scope: Scope) -> &HashMap<CompactString, Target, FixedState> {
        let [envelope, properties, item, content] = &self.fields;
        match scope {
            Scope::Envelope => envelope,
            Scope::Properties => properties,
            Scope::Item => item,
            Scope::Content => content,
        }
    }

    pub(super) fn add_in(&mut self, scope: Scope, alias: &str, canonical: &str) {
        let names = self.names(scope).values().filter(|target| target.canonical.name() == canonical);
        let rank = names.map(|target| target.rank).max().unwrap_or(0).saturating_add(1);
        let canonical = match Field::of(canonical) {
            Some(field) => Canonical::Field(field),
            None => Canonical::Property(Cow::Owned(canonical.to_owned())),
        };
        self.put(scope, &snake_case(alias), &Target { canonical, rank });
    }

    /// A name in `snake_case` stands for a target, and so does its spelling in `camelCase`.
    fn put(&mut self, scope: Scope, snake: &str, target: &Target) {
        let [envelope, properties, item, content] = &mut self.fields;
        let names = match scope {
            Scope::Envelope => envelope,
            Scope::Properties => properties,
            Scope::Item => item,
            Scope::Content => content,
        };
        let camel = camel_case(snake);
        if snake_case(&camel) == snake {
            names.insert(camel.into(), target.clone());
        }
        names.insert(snake.into(), target.clone());
    }
}

impl Target {
    fn borrowed(&self) -> (Canonical<'_>, u16) {
        let canonical = match &self.canonical {
            Canonical::Field(field) => Canonical::Field(*field),
            Canonical::Property(name) => Canonical::Property(Cow::Borrowed(name)),
        };
        (canonical, self.rank)
    }
}

/// A name in `snake_case` as JavaScript writes it: `product_id` becomes `productId`.
fn camel_case(snake: &str) -> String {
    let mut camel = String::with_capacity(snake.len());
    let mut begins_word = false;
    for character in snake.chars() {
        match character {
            '_' => begins_word = true,
            _ if begins_word => {
                camel.push(character.to_ascii_uppercase());
                begins_word = false;
            }
            _ => camel.push(character),
        }
    }
    camel
}

/// A name in lower case with `_` between its words, which begin at capitals, blanks and hyphens:
/// `productID`, `Product Id` and `product-id` all become `product_id`. Letters outside ASCII stay.
pub(super) fn snake_case(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| !byte.is_ascii_uppercase() && byte != b' ' && byte != b'-';
    if name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = '_';
    let mut characters = name.trim().chars().peekable();
    while let Some(character) = characters.next() {
        if character == ' ' || character == '-' {
            if !out.ends_with('_') {
                out.push('_');
            }
        } else {
            let begins_word = character.is_ascii_uppercase()
                && (before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase()
                        && characters.peek().is_some_and(|next| next.is_ascii_lowercase())));
            if begins_word {
                out.push('_');
            }
            out.push(character.to_ascii_lowercase());
        }
        before = character;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_capitals_blanks_and_hyphens() {
        for (name, expected) in [
            ("productId", "product_id"),
            ("productID", "product_id"),
            ("Product Added", "product_added"),
            ("product-added", "product_added"),
            ("HTMLPageLoaded", "html_page_loaded"),
            ("SKU", "sku"),
            ("ga4Event", "ga4_event"),
            ("_metadata", "_metadata"),
            ("gtm.uniqueEventId", "gtm.unique_event_id"),
            ("Übersicht Seite", "Übersicht_seite"),
            ("product_id", "product_id"),
            (" - ", "_"),
            ("", ""),
        ] {
            assert_eq!(snake_case(name), expected, "{name:?}");
        }
    }

    #[test]
    fn every_spelling_of_an_event_has_one_name() {
        let aliases = Aliases::standard();
        for (names, canonical) in [
            (&["Product Viewed", "view_item", "product_view", "productViewed"] as &[_], "product_viewed"),
            (&["Product List Viewed", "view_item_list", "list_view"], "product_list_viewed"),
            (&["Product Clicked", "select_item", "list_click"], "product_clicked"),
            (&["Products Searched", "search"], "products_searched"),
            (&["Product Added", "add_to_cart", "addToCart", "Add To Cart"], "product_added"),
            (&["Product Removed", "remove_from_cart"], "product_removed"),
            (&["Cart Viewed", "view_cart"], "cart_viewed"),
            (&["Checkout Started", "begin_checkout", "checkout_step"], "checkout_started"),
            (&["Order Completed", "purchase", "transaction"], "order_completed"),
            (&["Order Refunded", "refund"], "order_refunded"),
            (&["Order Cancelled", "order_canceled"], "order_cancelled"),
            (&["Promotion Viewed", "view_promotion", "promo_view"], "promotion_viewed"),
            (&["Promotion Clicked", "select_promotion", "promo_click"], "promotion_clicked"),
            (&["Product Added to Wishlist", "add_to_wishlist"], "product_added_to_wishlist"),
            (&["user_engagement", "scroll", "page_ping"], "engagement"),
            (&["page_view", "Page Viewed"], "page_viewed"),
            (&["Something Else"], "something_else"),
        ] {
            for name in names {
                assert_eq!(&*aliases.canonical_event(name), canonical, "{name:?}");
            }
        }
    }

    #[test]
    fn every_spelling_of_a_field_has_one_name_and_a_rank() {
        let aliases = Aliases::standard();
        for (scope, name, canonical, rank) in [
            (Scope::Properties, "itemId", "item_id", 0),
            (Scope::Properties, "productId", "item_id", 1),
            (Scope::Properties, "sku", "item_id", 2),
            (Scope::Properties, "id", "id", 0),
            (Scope::Item, "id", "item_id", 3),
            (Scope::Envelope, "name", "event", 2),
            (Scope::Properties, "name", "name", 0),
            (Scope::Envelope, "userPseudoId", "anonymous_id", 2),
            (Scope::Envelope, "timestampMicros", "timestamp", 1),
            (Scope::Properties, "transactionId", "order_id", 1),
            (Scope::Properties, "isGift", "is_gift", 0),
            (Scope::Properties, "engagement_time_msec", "engaged_ms", 1),
            (Scope::Properties, "percentScrolled", "scroll_pct", 1),
        ] {
            let (found, found_rank) = aliases.canonical_field(scope, name);
            assert_eq!((found.name(), found_rank), (canonical, rank), "{name:?} in {scope:?}");
        }
    }

    #[test]
    fn an_application_adds_names_of_its_own() {
        let mut aliases = Aliases::standard();
        aliases.add_event("Kauf", "order_completed");
        aliases.add_field("artikelNummer", "item_id");
        assert_eq!(&*aliases.canonical_event("kauf"), "order_completed");
        let (name, rank) = aliases.canonical_field(Scope::Item, "artikel_nummer");
        assert_eq!((name, rank), (Canonical::Field(Field::ItemId), 5));
    }

    #[test]
    fn an_alias_takes_a_canonical_name_away_in_every_spelling() {
        let mut aliases = Aliases::standard();
        aliases.add_field("messageId", "reference");
        for spelling in ["message_id", "messageId", "Message ID"] {
            let (name, rank) = aliases.canonical_field(Scope::Envelope, spelling);
            assert_eq!((name.name(), rank), ("reference", 1), "{spelling}");
        }
        assert_eq!(
            aliases.canonical_field(Scope::Content, "messageId").0,
            Canonical::Field(Field::MessageId)
        );
    }
}
