//! Reads what the rows of a table tell, for a source of its changes.

use std::sync::Arc;

use compact_str::CompactString;

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
    refuse_names_of_calls(&section, &columns, problems);
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

/// A row becomes a call that has members of its own, beside its properties: columns of these names cannot be others.
fn refuse_names_of_calls(
    section: &Section<'_>,
    columns: &[(CompactString, CompactString)],
    problems: &mut Problems<'_>,
) {
    for (column, field) in columns {
        let is_beside = matches!(&**field, "user_id" | "anonymous_id" | "message_id" | "timestamp");
        let is_taken = match &**column {
            "event" | "properties" => is_beside,
            "timestamp" => &**field != "timestamp",
            _ => false,
        };
        if is_taken {
            let message = format!("debezium.columns: a column `{column}` cannot be the {field}");
            let hint = Some("let the connector give the column another name".into());
            problems.error(&section.place_of("columns"), message, hint);
        }
    }
}
