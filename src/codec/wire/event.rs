//! A JSON tree to an event: which part of which shape is which field of the event. How each field is read
//! stands in the files beside this one.

use serde_json::Value;

use super::Source;
use super::aliases::Scope;
use super::clock::times;
use super::fields::Fields;
use super::found::Found;
use super::identity::person;
use super::items::items;
use super::money::stated;
use super::properties::flat;
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::event::{DECISION_REQUEST, DecisionRequest, Event, IDENTIFY};
use crate::domain::scalar::{Properties, Scalar};
use crate::domain::time::Timestamp;

/// The longest message id and request id, in characters.
const MESSAGE_ID_CHARACTERS_MAX: usize = 100;
/// The longest name of an event, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// The longest path of a page that is kept, in bytes.
const PAGE_BYTES_MAX: usize = 1024;
/// The most content that a decision request can exclude.
const EXCLUDE_MAX: usize = 200;

/// The event of a record.
pub(super) fn assemble(
    source: &Source,
    tree: Value,
    record_time: Timestamp,
    derived_id: impl FnOnce() -> Box<str>,
) -> Result<Event, Reject> {
    let Value::Object(object) = tree else {
        return Err(Reject::new(RejectCode::InvalidField, "$", "not an object; send one event as {...}"));
    };
    let mut envelope = Fields::of(object, "$", &source.aliases, Scope::Envelope);
    let name = name(source, &mut envelope)?;
    let message_id = message_id(&mut envelope, derived_id)?;
    let person = person(&mut envelope, source.ids)?;
    let times = times(&mut envelope, source.clock, record_time)?;
    let context = page_of_context(&mut envelope)?;
    let traits = traits(source, &mut envelope, &name)?;
    let mut properties = properties(source, envelope, traits.is_some())?;
    let order_id = properties.take("order_id").map(|found| found.to_text()).transpose()?.flatten();
    let request = if &*name == DECISION_REQUEST { Some(request(&mut properties)?) } else { None };
    let items = items(&mut properties, &source.aliases)?;
    let is_commerce = order_id.is_some() || !items.is_empty() || name.starts_with("order_");
    let money = stated(&mut properties, is_commerce)?;
    let page = page(context.as_ref(), &properties);
    let mut properties = flat(properties, "$.properties")?;
    if let (None, Some(currency)) = (&money.value, money.currency) {
        properties.set("currency", Scalar::Text(currency));
    }
    Ok(Event {
        message_id,
        name,
        person,
        timestamp: times.timestamp,
        original_timestamp: times.original,
        received_at: times.received,
        time_clamped: times.is_clamped,
        source: source.topic.clone(),
        items,
        order_id,
        value: money.value,
        request,
        page,
        properties,
        traits: traits.unwrap_or_default(),
    })
}

/// The canonical name: from the kind of call where that decides it, else from the event's own name.
fn name(source: &Source, envelope: &mut Fields) -> Result<Box<str>, Reject> {
    let kind = match envelope.peek("type") {
        Some(Value::String(kind)) => kind.to_ascii_lowercase(),
        _ => String::new(),
    };
    let (name, path) = match kind.as_str() {
        "page" => (Box::from("page_viewed"), type_path(envelope)),
        "screen" => (Box::from("screen_viewed"), type_path(envelope)),
        "identify" => (Box::from(IDENTIFY), type_path(envelope)),
        _ => {
            if kind == "track" {
                envelope.take("type");
            }
            let advice = "no event; send its name, such as \"product_viewed\", or a type of page, screen or \
                          identify";
            let is_named = envelope.peek("event").is_some() || kind == "track" || kind.is_empty();
            let found = envelope.need(if is_named { "event" } else { "type" }, "$.event", advice)?;
            (source.aliases.canonical_event(&stated_name(&found)?), found.path())
        }
    };
    if source.known_events.as_ref().is_some_and(|known| !known.contains(&name)) {
        let message = "an event that this application does not know; declare it, add an alias for it, or stop \
                       sending it";
        return Err(Reject::new(RejectCode::UnknownEvent, &path, message));
    }
    Ok(name)
}

fn type_path(envelope: &mut Fields) -> String {
    envelope.take("type").map_or_else(|| "$.type".to_owned(), |found| found.path())
}

fn stated_name(found: &Found) -> Result<Box<str>, Reject> {
    match found.value() {
        Value::String(name) if name.trim().is_empty() => Err(found.invalid("blank; send the event's name")),
        Value::String(name) if name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control) => {
            Ok(name.as_str().into())
        }
        _ => Err(found.invalid("not a name; send a text of at most 128 bytes without control characters")),
    }
}

fn message_id(envelope: &mut Fields, derived: impl FnOnce() -> Box<str>) -> Result<Box<str>, Reject> {
    envelope.take("message_id").map_or_else(|| Ok(derived()), |found| short_id(&found))
}

fn short_id(found: &Found) -> Result<Box<str>, Reject> {
    let id = found.to_id()?;
    if id.chars().count() > MESSAGE_ID_CHARACTERS_MAX {
        return Err(found.invalid("longer than 100 characters; send a shorter id"));
    }
    Ok(id)
}

/// What an identify call says about the person; none for other calls.
fn traits(source: &Source, envelope: &mut Fields, name: &str) -> Result<Option<Properties>, Reject> {
    if name != IDENTIFY {
        return Ok(None);
    }
    let Some(found) = envelope.take("traits") else { return Ok(None) };
    let (object, path) = found.into_object()?;
    flat(Fields::of(object, &path, &source.aliases, Scope::Properties), &path).map(Some)
}

/// The properties, with those of an `ecommerce` object in them or beside them. In a call that has neither
/// properties nor traits, whatever else stands at the top are properties too.
fn properties<'a>(
    source: &'a Source,
    mut envelope: Fields<'a>,
    has_traits: bool,
) -> Result<Fields<'a>, Reject> {
    let stated = envelope.take("properties");
    let is_plain = stated.is_none() && !has_traits;
    let beside = envelope.take("ecommerce");
    envelope.take("integrations");
    let mut properties = members(source, stated)?;
    let inside = properties.take("ecommerce");
    properties.append(members(source, inside)?);
    properties.append(members(source, beside)?);
    if is_plain {
        properties.append(envelope.in_scope(&source.aliases, Scope::Properties));
    }
    Ok(properties)
}

fn members(source: &Source, found: Option<Found>) -> Result<Fields<'_>, Reject> {
    let Some(found) = found else { return Ok(Fields::default()) };
    let (object, path) = found.into_object()?;
    Ok(Fields::of(object, &path, &source.aliases, Scope::Properties))
}

fn request(properties: &mut Fields) -> Result<DecisionRequest, Reject> {
    let id = properties.need(
        "request_id",
        "$.properties.requestId",
        "no requestId; send one, by which you will find the decision",
    )?;
    let slot = properties.need("slot", "$.properties.slot", "no slot; send which one to fill")?;
    let exclude = match properties.take("exclude") {
        Some(list) => list.into_list(EXCLUDE_MAX)?.iter().map(Found::to_id).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(DecisionRequest { request_id: short_id(&id)?, slot: slot.to_id()?, exclude })
}

fn page_of_context(envelope: &mut Fields) -> Result<Option<Value>, Reject> {
    let Some(context) = envelope.take("context") else { return Ok(None) };
    let (mut context, _) = context.into_object()?;
    Ok(match context.remove("page") {
        Some(Value::Object(mut page)) => page.remove("path"),
        _ => None,
    })
}

/// The path of the page: the context's, else the properties', else that of GA4's `page_location`. What is
/// no text is no path; it is not worth a reject.
fn page(context: Option<&Value>, properties: &Fields) -> Option<Box<str>> {
    let stated = context.or_else(|| properties.peek("path")).and_then(Value::as_str);
    let located = || properties.peek("page_location").and_then(Value::as_str).map(path_of);
    let path = stated.or_else(located).filter(|path| !path.is_empty())?;
    path.get(..path.floor_char_boundary(PAGE_BYTES_MAX)).map(Box::from)
}

fn path_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or(path)
}
