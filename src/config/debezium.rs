//! Reads what the rows of a table tell, for a source of its changes.

use std::sync::Arc;

use super::keys;
use super::problems::Problems;
use super::section::Section;
use super::settings;
use crate::codec::wire::{ByColumn, Table};

/// What is called `none` tells nothing.
const NONE: &str = "none";

/// What the table's rows tell; nothing where the source is no table.
pub(crate) fn read(source: &mut Section<'_>, keyed: bool, problems: &mut Problems<'_>) -> Option<Arc<Table>> {
    if !source.has("debezium") {
        return None;
    }
    let place = source.place_of("debezium");
    if keyed {
        let message = "a table's changes are keyed by its rows, not by persons";
        problems.error(&place, message, Some("set keyed: false".into()));
    }
    let mut section = source.section("debezium", keys::DEBEZIUM, problems)?;
    let columns = settings::table(&mut section, "columns", problems);
    let events = settings::table(&mut section, "events", problems);
    let column = section.text("column", problems);
    if column.is_some() != section.has("events") {
        let hint = "give both: a column, and events by its values";
        problems.error(&place, "debezium has only one of column and events", Some(hint.into()));
    }
    let by_column = column.map(|column| ByColumn {
        column: column.text,
        events: events
            .into_iter()
            .map(|(value, event)| (value, Some(event).filter(|name| name != NONE)))
            .collect(),
    });
    let deleted = section.text("deleted", problems).map(|deleted| deleted.text);
    let event = section.text("event", problems)?.text;
    Some(Arc::new(Table { event, deleted, by_column, columns }))
}
