//! What conditions see: a person's profile and, where there is one, the event. Values are made when a
//! condition asks for them.
//!
//! | name | value |
//! | --- | --- |
//! | `attributes.NAME` | the number, money in the currency's unit; the text; the list of texts |
//! | `tags.INTEREST` | the list of values that are tags |
//! | `segments` | the list of segments that the person is in |
//! | `session.count`, `.events`, `.open` | the current session |
//! | `session.entry_page`, `.referrer_medium`, `.pages` | its first page, how the person came to it, its last pages |
//! | `orders.count`, `.units`, `.revenue.EUR` | what was bought |
//! | `recent` | the last items, newest first |
//! | `traits.NAME` | what `identify` said, and what rules have set |
//! | `profile.version`, `.events`, `.person` | the profile itself |
//! | `profile.completeness`, `.contradictions` | how much of it is known, and where that disagrees |
//! | `event.name`, `.page`, `.source`, `.value`, `.currency`, `.order_id`, `.properties.NAME`, `.items` | the event |

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::attribute::AttributeValue;
use super::event::{Event, Item};
use super::person::Person;
use super::profile::Profile;
use super::quality;
use super::rulebook::RuleBook;
use super::scalar::{Properties, Scalar};

/// The names of one evaluation.
pub struct Scope<'a> {
    /// The definitions in force.
    pub rules: &'a RuleBook,
    /// Whose profile it is.
    pub person: &'a Person,
    /// The profile.
    pub profile: &'a Profile,
    /// The event that is being applied; none when time has passed.
    pub event: Option<&'a Event>,
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (root, rest) = variable.split_once('.').unwrap_or((variable, ""));
        match root {
            "attributes" => self.attribute(rest),
            "tags" => self.tags(rest),
            "segments" if rest.is_empty() => Some(self.segments()),
            "session" => self.session(rest),
            "orders" => self.orders(rest),
            "recent" if rest.is_empty() => Some(texts(self.profile.recent.iter().map(|item| &**item))),
            "traits" => property(&self.profile.traits, rest),
            "profile" => self.profile(rest),
            "event" => self.event.and_then(|event| of_event(event, rest)),
            _ => None,
        }
    }
}

impl Scope<'_> {
    fn attribute(&self, name: &str) -> Option<CowVal<'_, '_>> {
        let rule = self.rules.attributes.iter().find(|rule| &*rule.name == name)?;
        match rule.value(self.profile) {
            AttributeValue::Missing => None,
            AttributeValue::Whole(number) => Some(integer(number)),
            AttributeValue::Number(number) => Some(float(number)),
            AttributeValue::Truth(truth) => Some(CowVal::owned(CelBool::from(truth))),
            AttributeValue::Text(value) => Some(text(value)),
            AttributeValue::Texts(values) => Some(texts(values.into_iter())),
        }
    }

    fn tags(&self, name: &str) -> Option<CowVal<'_, '_>> {
        let rule = self.rules.interest(name)?;
        let tagged = self.profile.affinities(rule.id).iter().filter(|affinity| affinity.tagged_at.is_some());
        Some(texts(tagged.map(|affinity| &*affinity.value)))
    }

    fn segments(&self) -> CowVal<'_, '_> {
        let inside = self.rules.segments.iter().filter(|rule| self.profile.is_in(rule.id));
        texts(inside.map(|rule| &*rule.name))
    }

    fn session(&self, name: &str) -> Option<CowVal<'_, '_>> {
        let session = &self.profile.session;
        let current = &session.current;
        match name {
            "count" => Some(integer(whole(session.count))),
            "events" => Some(integer(whole(current.events))),
            "open" => Some(CowVal::owned(CelBool::from(session.open))),
            "entry_page" => current.entry.as_ref().map(|page| text(&page.path)),
            "referrer_medium" => current.entry.as_ref()?.medium.as_deref().map(text),
            "pages" => Some(texts(current.pages.iter().map(|page| &*page.path))),
            _ => None,
        }
    }

    fn orders(&self, name: &str) -> Option<CowVal<'_, '_>> {
        let orders = &self.profile.orders;
        match name.split_once('.').unwrap_or((name, "")) {
            ("count", "") => Some(integer(whole(orders.count))),
            ("units", "") => Some(integer(whole(orders.units))),
            ("revenue", currency) => (!currency.is_empty()).then(|| float(orders.revenue_in(currency))),
            _ => None,
        }
    }

    fn profile(&self, name: &str) -> Option<CowVal<'_, '_>> {
        match name {
            "version" => Some(integer(whole(self.profile.version))),
            "events" => Some(integer(whole(self.profile.events_applied))),
            "person" => Some(text(self.person.as_str())),
            "completeness" => Some(float(quality::completeness(self.rules, self.profile))),
            "contradictions" => Some(texts(quality::contradictions(self.rules, self.profile))),
            _ => None,
        }
    }
}

fn of_event<'b>(event: &'b Event, name: &str) -> Option<CowVal<'b, 'b>> {
    match name.split_once('.').unwrap_or((name, "")) {
        ("name", "") => Some(text(&event.name)),
        ("source", "") => Some(text(&event.source)),
        ("page", "") => event.page.as_deref().map(text),
        ("order_id", "") => event.order_id.as_deref().map(text),
        ("value", "") => Some(float(event.money().hundredths as f64 / 100.0)),
        ("currency", "") => Some(text(event.currency())),
        ("properties", rest) => property(&event.properties, rest),
        ("items", "") => {
            let items = event.items.iter().map(|item| Box::new(item_map(item)) as Box<dyn Val + 'b>);
            Some(CowVal::owned(CelList::from(items.collect::<Vec<_>>())))
        }
        _ => None,
    }
}

/// A property by its dotted path; all of them as one map when no path is given, which is what `has` needs.
fn property<'b>(properties: &'b Properties, path: &str) -> Option<CowVal<'b, 'b>> {
    if !path.is_empty() {
        return properties.get(path).map(|value| CowVal::from(scalar(value)));
    }
    let entries = properties.iter().map(|(name, value)| (key(name), scalar(value)));
    Some(CowVal::owned(CelMap::from(entries.collect::<std::collections::HashMap<_, _>>())))
}

fn item_map(item: &Item) -> CelMap<'_> {
    let mut entries: Vec<(CelMapKey<'_>, Box<dyn Val + '_>)> = vec![
        (key("item_id"), Box::new(CelString::from(&*item.item_id))),
        (key("quantity"), Box::new(CelInt::from(i64::from(item.quantity)))),
    ];
    if let Some(category) = item.category.as_deref() {
        entries.push((key("category"), Box::new(CelString::from(category))));
    }
    if let Some(brand) = item.brand.as_deref() {
        entries.push((key("brand"), Box::new(CelString::from(brand))));
    }
    if let Some(hundredths) = item.price_hundredths {
        entries.push((key("price"), Box::new(CelDouble::from(hundredths as f64 / 100.0))));
    }
    CelMap::from(entries.into_iter().collect::<std::collections::HashMap<_, _>>())
}

fn scalar(value: &Scalar) -> Box<dyn Val + '_> {
    match value {
        Scalar::Bool(value) => Box::new(CelBool::from(*value)),
        Scalar::Integer(value) => Box::new(CelInt::from(*value)),
        Scalar::Float(value) => Box::new(CelDouble::from(*value)),
        Scalar::Text(value) => Box::new(CelString::from(&**value)),
        Scalar::Texts(values) => {
            let values = values.iter().map(|value| Box::new(CelString::from(&**value)) as Box<dyn Val>);
            Box::new(CelList::from(values.collect::<Vec<_>>()))
        }
    }
}

fn key(name: &str) -> CelMapKey<'static> {
    CelMapKey::from(name.to_owned())
}

fn texts<'b>(values: impl Iterator<Item = &'b str>) -> CowVal<'b, 'b> {
    let values = values.map(|value| Box::new(CelString::from(value)) as Box<dyn Val + 'b>);
    CowVal::owned(CelList::from(values.collect::<Vec<_>>()))
}

fn text(value: &str) -> CowVal<'_, '_> {
    CowVal::owned(CelString::from(value))
}

fn integer<'b>(value: i64) -> CowVal<'b, 'b> {
    CowVal::owned(CelInt::from(value))
}

fn float<'b>(value: f64) -> CowVal<'b, 'b> {
    CowVal::owned(CelDouble::from(value))
}

/// Counts are far below the limit of signed numbers.
fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
