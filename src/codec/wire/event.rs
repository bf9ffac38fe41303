//! A JSON tree to an event: which part of which shape is which field of the event. How each field is read
//! stands in the files beside this one.

use compact_str::CompactString;

use super::Source;
use super::aliases::Scope;
use super::canonical;
use super::clock::times;
use super::field::Field;
use super::fields::Fields;
use super::found::{Found, has_control};
use super::identity::person;
use super::items::items;
use super::money::stated;
use super::properties::flat;
use super::referrer;
use super::schema;
use super::tree::{Tree, arena};
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::event::{DECISION_REQUEST, DecisionRequest, Event, IDENTIFY, is_page};
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

/// The event of a record, once it is checked against the schema of its event, if that has any.
pub(super) fn assemble(
    source: &Source,
    tree: &Tree<'_>,
    record_time: Timestamp,
    derived_id: impl FnOnce() -> CompactString,
) -> Result<Event, Reject> {
    if !matches!(tree, Tree::Object(_)) {
        return Err(Reject::new(RejectCode::InvalidField, "$", "not an object; send one event as {...}"));
    }
    let mut envelope = Fields::of(Found::whole(tree), &source.aliases, Scope::Envelope)?;
    let (name, _) = name(source, &mut envelope)?;
    let stated = schema(&mut envelope);
    let brought_up = match source.schemas.versions(&name) {
        Some(versions) => schema::check(source, tree, &name, versions, stated)?,
        None => None,
    };
    let Some(document) = brought_up else { return event(source, name, envelope, record_time, derived_id) };
    let source = canonical::source(source);
    let arena = arena();
    let tree = Tree::of(&document, &arena);
    let mut envelope = Fields::of(Found::whole(&tree), &source.aliases, Scope::Envelope)?;
    envelope.take(Field::Event);
    event(&source, name, envelope, record_time, derived_id)
}

/// The event of this name that the rest of its envelope holds.
fn event(
    source: &Source,
    name: CompactString,
    mut envelope: Fields<'_>,
    record_time: Timestamp,
    derived_id: impl FnOnce() -> CompactString,
) -> Result<Event, Reject> {
    let message_id = message_id(&mut envelope, derived_id)?;
    let person = person(&mut envelope, source.ids)?;
    let times = times(&mut envelope, source.clock, record_time)?;
    let context = context(&mut envelope)?;
    let traits = traits(source, &mut envelope, &name)?;
    let mut properties = properties(source, envelope, traits.is_some())?;
    let order_id = properties.take(Field::OrderId).map(Found::to_text).transpose()?.flatten();
    let request = if &*name == DECISION_REQUEST { Some(request(&mut properties)?) } else { None };
    let items = items(&mut properties, &source.aliases)?;
    let is_commerce = order_id.is_some() || !items.is_empty() || name.starts_with("order_");
    let money = stated(&mut properties, is_commerce)?;
    let page = page(context, &properties);
    let mut properties = flat(properties, || "$.properties".to_owned())?;
    if is_page(&name) {
        referrer::note(context, &mut properties);
    }
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
        order_id: order_id.map(Into::into),
        value: money.value,
        request,
        page,
        properties,
        traits: traits.unwrap_or_default(),
    })
}

/// The canonical name, and what says it: the kind of call where that decides it, else the event's own name.
///
/// # Errors
/// `MissingField`, `InvalidField`, or `UnknownEvent`.
pub(super) fn name<'t>(
    source: &Source,
    envelope: &mut Fields<'t>,
) -> Result<(CompactString, Option<Found<'t>>), Reject> {
    let kind = envelope.peek(Field::Type).and_then(Tree::text).unwrap_or_default();
    let is_kind = |name: &str| kind.eq_ignore_ascii_case(name);
    let called = match () {
        () if is_kind("page") => Some("page_viewed"),
        () if is_kind("screen") => Some("screen_viewed"),
        () if is_kind("identify") => Some(IDENTIFY),
        () => None,
    };
    let (name, found) = match called {
        Some(name) => (name.into(), envelope.take(Field::Type)),
        None => {
            if is_kind("track") {
                envelope.take(Field::Type);
            }
            let advice = "no event; send its name, such as \"product_viewed\", or a type of page, screen or \
                          identify";
            let is_named = envelope.peek(Field::Event).is_some() || is_kind("track") || kind.is_empty();
            let field = if is_named { Field::Event } else { Field::Type };
            let found = envelope.need(field, "$.event", advice)?;
            (source.aliases.canonical_event(stated_name(found)?), Some(found))
        }
    };
    if source.known_events.as_ref().is_some_and(|known| !known.contains(&name)) {
        let message = "an event that this application does not know; declare it, add an alias for it, or stop \
                       sending it";
        let path = found.map_or_else(|| "$.type".to_owned(), Found::path);
        return Err(Reject::new(RejectCode::UnknownEvent, &path, message));
    }
    Ok((name, found))
}

/// What the sender says of the event's schema, as `{"name": ..., "version": ...}`. A `schema` that is no
/// object is a property like any other.
pub(super) fn schema<'t>(envelope: &mut Fields<'t>) -> Option<Found<'t>> {
    match envelope.peek(Field::Schema)? {
        Tree::Object(_) => envelope.take(Field::Schema),
        _ => None,
    }
}

fn stated_name(found: Found<'_>) -> Result<&str, Reject> {
    match found.value() {
        Tree::Text(name) if name.chars().all(char::is_whitespace) => {
            Err(found.invalid("blank; send the event's name"))
        }
        Tree::Text(name) if name.len() <= NAME_BYTES_MAX && !has_control(name) => Ok(name),
        _ => Err(found.invalid("not a name; send a text of at most 128 bytes without control characters")),
    }
}

fn message_id(
    envelope: &mut Fields,
    derived: impl FnOnce() -> CompactString,
) -> Result<CompactString, Reject> {
    envelope.take(Field::MessageId).map_or_else(|| Ok(derived()), short_id)
}

fn short_id(found: Found) -> Result<CompactString, Reject> {
    let id = found.to_id()?;
    if id.len() > MESSAGE_ID_CHARACTERS_MAX && id.chars().count() > MESSAGE_ID_CHARACTERS_MAX {
        return Err(found.invalid("longer than 100 characters; send a shorter id"));
    }
    Ok(id.into())
}

/// What an identify call says about the person; none for other calls.
fn traits(source: &Source, envelope: &mut Fields, name: &str) -> Result<Option<Properties>, Reject> {
    if name != IDENTIFY {
        return Ok(None);
    }
    let Some(found) = envelope.take(Field::Traits) else { return Ok(None) };
    let traits = Fields::of(found, &source.aliases, Scope::Properties)?;
    flat(traits, || found.path()).map(Some)
}

/// The properties, with those of an `ecommerce` object in them or beside them. In a call that has neither
/// properties nor traits, whatever else stands at the top are properties too.
///
/// # Errors
/// `InvalidField` for one of them that is no object.
pub(super) fn properties<'t>(
    source: &'t Source,
    mut envelope: Fields<'t>,
    has_traits: bool,
) -> Result<Fields<'t>, Reject> {
    let stated = envelope.take(Field::Properties);
    let is_plain = stated.is_none() && !has_traits;
    let beside = envelope.take(Field::Ecommerce);
    envelope.take(Field::Integrations);
    let mut properties = Fields::default();
    let add = |properties: &mut Fields<'t>, found: Option<Found<'t>>| match found {
        Some(found) => properties.add(found, &source.aliases, Scope::Properties),
        None => Ok(()),
    };
    add(&mut properties, stated)?;
    let inside = properties.take(Field::Ecommerce);
    add(&mut properties, inside)?;
    add(&mut properties, beside)?;
    if is_plain {
        properties.add_rest(envelope, &source.aliases, Scope::Properties);
    }
    Ok(properties)
}

fn request(properties: &mut Fields) -> Result<DecisionRequest, Reject> {
    let id = properties.need(
        Field::RequestId,
        "$.properties.requestId",
        "no requestId; send one, by which you will find the decision",
    )?;
    let advice = "no slot; send which one to fill";
    let slot = properties.need(Field::Slot, "$.properties.slot", advice)?;
    let exclude = match properties.take(Field::Exclude) {
        Some(list) => {
            let ids = list.elements(EXCLUDE_MAX)?.map(|found| Ok(found.to_id()?.into()));
            ids.collect::<Result<_, Reject>>()?
        }
        None => Vec::new(),
    };
    Ok(DecisionRequest { request_id: short_id(id)?, slot: slot.to_id()?.into(), exclude })
}

/// What stands around the event.
///
/// # Errors
/// `InvalidField` for a context that is no object, even where nobody asks for the page.
fn context<'t>(envelope: &mut Fields<'t>) -> Result<Option<&'t Tree<'t>>, Reject> {
    let Some(context) = envelope.take(Field::Context) else { return Ok(None) };
    context.members().map(drop)?;
    Ok(Some(context.value()))
}

/// The path of the page: the context's, else the properties', else that of GA4's `page_location`. What is
/// no text is no path; it is not worth a reject.
fn page(context: Option<&Tree<'_>>, properties: &Fields) -> Option<CompactString> {
    let of_context = context.and_then(|context| context.member("page")).and_then(|page| page.member("path"));
    let stated = of_context.or_else(|| properties.peek(Field::Path)).and_then(Tree::text);
    let located = || properties.peek(Field::PageLocation).and_then(Tree::text).map(path_of);
    let path = stated.or_else(located).filter(|path| !path.is_empty())?;
    path.get(..path.floor_char_boundary(PAGE_BYTES_MAX)).map(CompactString::from)
}

fn path_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or(path)
}
