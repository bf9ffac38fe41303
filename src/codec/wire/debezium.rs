//! The changes of a database's table as Debezium tells them: `{before, after, op, source, ts_ms}`, with or
//! without the `{schema, payload}` of Kafka Connect's JSON converter around it. Each change of a row becomes
//! the event that the configuration says a row tells, such as an order.

use bumpalo::Bump;
use compact_str::CompactString;
use serde_json::Number;

use super::Source;
use super::aliases::{Aliases, Canonical, Scope};
use super::event;
use super::field::Field;
use super::found::Found;
use super::json;
use super::tree::{Member, Tree};
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;

/// What the rows of a table tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The event that a row tells, by its canonical name.
    pub event: CompactString,
    /// The event that a deleted row tells; none lets deletions pass.
    pub deleted: Option<CompactString>,
    /// Where a column decides it.
    pub by_column: Option<ByColumn>,
    /// What columns are: (the column, the canonical name of the field).
    pub columns: Vec<(CompactString, CompactString)>,
}

/// A column whose values say what a row tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByColumn {
    /// The column.
    pub column: CompactString,
    /// By value: the event that the row tells, or none where it tells nothing. Other values decide nothing.
    pub events: Vec<(CompactString, Option<CompactString>)>,
}

/// A change of a row.
struct Change<'t> {
    /// Where it stands in the database's log.
    place: Option<Found<'t>>,
    /// The row, as it is now or, once deleted, as it was.
    row: Found<'t>,
    /// What it tells.
    event: &'t str,
    /// When it was changed; none where the row itself says when what it tells of happened.
    at: Option<Found<'t>>,
}

/// The event of a change; none where it tells nothing.
///
/// # Errors
/// As those of an event. Paths lead through the change, as in `$.after.total`.
pub(super) fn event(
    source: &Source,
    table: &Table,
    tree: &Tree<'_>,
    arena: &Bump,
    record_time: Timestamp,
    derived_id: impl Fn(&[u8]) -> CompactString,
) -> Result<Option<Event>, Reject> {
    let Some(change) = change(source, table, tree)? else { return Ok(None) };
    let call = call(source, &change, arena)?;
    let row = change.row.path();
    event::assemble(source, &call, record_time, || derived_id(&change.identity())).map(Some).map_err(
        |reject| {
            if let Some(at) = change.at.filter(|_| &*reject.path == "$.timestamp") {
                return Reject { path: at.path().into(), ..reject };
            }
            let path = reject.path.strip_prefix('$').unwrap_or(&reject.path);
            let path = path.strip_prefix(".properties").unwrap_or(path);
            Reject { path: format!("{row}{path}").into(), ..reject }
        },
    )
}

fn change<'t>(source: &Source, table: &'t Table, tree: &'t Tree<'t>) -> Result<Option<Change<'t>>, Reject> {
    let whole = Found::whole(tree);
    let envelope = whole.member("payload").unwrap_or(whole);
    let missing = |name: &str, advice: &str| {
        Reject::new(RejectCode::MissingField, &format!("{}.{name}", envelope.path()), advice)
    };
    let Some(op) = envelope.member("op") else {
        return Err(missing("op", "no op; send Debezium's changes as they are, without unwrapping them"));
    };
    let (column, is_deleted) = match op.value().text() {
        Some("c" | "r" | "u") => ("after", false),
        Some("d") => ("before", true),
        // Truncations and messages are about no row.
        Some("t" | "m") => return Ok(None),
        _ => return Err(op.invalid("not one of c, r, u, d, t and m")),
    };
    let told = if is_deleted { table.deleted.as_deref() } else { Some(&*table.event) };
    let Some(told) = told else { return Ok(None) };
    let Some(row) = envelope.member(column) else {
        return Err(missing(
            column,
            "no row; let the database log whole rows, as REPLICA IDENTITY FULL does",
        ));
    };
    row.members().map(drop)?;
    let told = match &table.by_column {
        // What a row has never told is not undone with it.
        Some(by) if is_deleted => by.decide(row, told).map(|_| told),
        Some(by) => by.decide(row, told),
        None => Some(told),
    };
    let Some(told) = told else { return Ok(None) };
    // The time that a row says is when what it tells of happened, not when it was corrected or cancelled.
    let is_first = matches!(op.value().text(), Some("c" | "r"));
    let is_time =
        |found: Found<'_>| field(source, found) == Some(Field::Timestamp) && *found.value() != Tree::Null;
    let says_when = is_first && row.members()?.any(is_time);
    let place = envelope.member("source");
    let at = || place.and_then(|place| place.member("ts_ms")).or(envelope.member("ts_ms"));
    Ok(Some(Change { place, row, event: told, at: if says_when { None } else { at() } }))
}

impl Change<'_> {
    /// What tells it from all others. A connector that starts again tells its last changes again, with another time of
    /// telling, and perhaps with another version of itself.
    fn identity(&self) -> Vec<u8> {
        let place = self.place.and_then(|place| place.members().ok()).into_iter().flatten();
        let place = place.filter(|found| found.key() != "version");
        let members = place.map(|found| Member { key: found.key(), value: found.value().clone() });
        let mut bytes = Vec::new();
        Tree::Text(self.event).write_for_id(&mut bytes);
        Tree::Object(&members.collect::<Vec<_>>()).write_for_id(&mut bytes);
        self.row.value().write_for_id(&mut bytes);
        bytes
    }
}

/// The change as a call: ids and times beside the properties, all other columns among them.
fn call<'t>(source: &Source, change: &Change<'t>, arena: &'t Bump) -> Result<Tree<'t>, Reject> {
    let mut call = vec![Member { key: "event", value: Tree::Text(change.event) }];
    let mut properties = Vec::new();
    for found in change.row.members()? {
        let member = Member { key: found.key(), value: found.value().clone() };
        match field(source, found) {
            Some(Field::UserId | Field::AnonymousId | Field::MessageId) => call.push(member),
            Some(Field::Timestamp) if change.at.is_none() => call.push(member),
            Some(Field::Timestamp) => {}
            _ => properties.push(Member { value: of_column(source, found, arena)?, ..member }),
        }
    }
    if let Some(at) = change.at {
        call.push(Member { key: "timestamp", value: at.value().clone() });
    }
    let properties = Tree::Object(arena.alloc_slice_fill_iter(properties));
    call.push(Member { key: "properties", value: properties });
    Ok(Tree::Object(arena.alloc_slice_fill_iter(call)))
}

/// A column's value. Lists stand in a column of JSON, which Debezium tells as a text.
fn of_column<'t>(source: &Source, found: Found<'t>, arena: &'t Bump) -> Result<Tree<'t>, Reject> {
    let (canonical, _) = source.aliases.canonical_field(Scope::Properties, found.key());
    let is_list = matches!(canonical, Canonical::Field(Field::Items | Field::Exclude));
    match found.value() {
        Tree::Text(text) if is_list && text.trim_start().starts_with(['[', '{']) => {
            json::parse(text.as_bytes(), arena).map_err(|reject| {
                let inside = reject.path.strip_prefix('$').unwrap_or(&reject.path);
                Reject { path: format!("{}{inside}", found.path()).into(), ..reject }
            })
        }
        value => Ok(value.clone()),
    }
}

fn field(source: &Source, found: Found<'_>) -> Option<Field> {
    match source.aliases.canonical_field(Scope::Envelope, found.key()).0 {
        Canonical::Field(field) => Some(field),
        Canonical::Property(_) => None,
    }
}

impl ByColumn {
    /// What a row tells, where `otherwise` is what it tells by itself.
    fn decide<'t>(&'t self, row: Found<'t>, otherwise: &'t str) -> Option<&'t str> {
        let value = row.member(&self.column).map(|found| match found.value() {
            Tree::Text(text) => text.to_string(),
            Tree::Number(number) => Number::to_string(number),
            Tree::Bool(flag) => flag.to_string(),
            _ => String::new(),
        });
        let decided = self.events.iter().find(|(of, _)| Some(&**of) == value.as_deref());
        decided.map_or(Some(otherwise), |(_, event)| event.as_deref())
    }
}

impl Aliases {
    /// Lets the columns of a table stand for fields, but not inside the products of a column of JSON. Its own
    /// `client_id` and `event_id` are, unlike Google's, no device and no message.
    pub fn add_columns(&mut self, columns: &[(CompactString, CompactString)]) {
        let own = ["client_id", "event_id"].map(|column| (column.into(), column.into()));
        for (column, field) in own.iter().chain(columns) {
            self.add_in(Scope::Properties, column, field);
            // The call that a row becomes has an event and properties of its own.
            if !matches!(&**column, "event" | "properties") {
                self.add_in(Scope::Envelope, column, field);
            }
        }
    }
}
