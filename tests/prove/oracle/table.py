"""What the rows of a table tell, as `debezium` of a source says it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .document import ConfigurationError
from .section import Section

ENTRIES_MAX = 1_000
# An event of this name is none.
NOTHING = "none"
# What a call that is made of a row has of its own, and what it has beside its properties.
OF_CALLS = ("event", "properties")
BESIDE = ("user_id", "anonymous_id", "message_id", "timestamp")


@dataclass(slots=True)
class Table:
    """The event that a row tells, the one that a deleted row tells, and by the values of a column what else a row
    tells or that it tells nothing."""

    event: str
    deleted: str | None = None
    columns: list[tuple[str, str]] = field(default_factory=list)
    column: str | None = None
    by_value: dict[str, str | None] = field(default_factory=dict)


def read_table(section: Section) -> Table:
    events = section.table("events", ENTRIES_MAX)
    table = Table(
        event=section.needed("event"),
        deleted=section.text("deleted"),
        columns=section.table("columns", ENTRIES_MAX),
        column=section.text("column"),
        by_value={value: None if event == NOTHING else event for value, event in events},
    )
    if (table.column is None) != (not events):
        raise ConfigurationError(f"{section.path} has only one of column and events")
    for column, field in table.columns:
        if field != "timestamp" if column == "timestamp" else column in OF_CALLS and field in BESIDE:
            raise ConfigurationError(f"{section.path}.columns: a column `{column}` cannot be the {field}")
    section.done()
    return table
