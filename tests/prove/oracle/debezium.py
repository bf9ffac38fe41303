"""The changes of a table as Debezium tells them in JSON, `{before, after, op, source, ts_ms}`, with or without the
`{schema, payload}` of Kafka Connect around it: each becomes the call that the row stands for, and is read as one."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import jsontext
from .event import Event
from .fields import as_object
from .reject import Reject, invalid
from .table import Table
from .wire import Reader, derived_id
from .written import number_text, tree_bytes

FIRST = ("c", "r")
CHANGED = (*FIRST, "u")
DELETED = "d"
# A table that was emptied, and messages: they are about no row.
ABOUT_NO_ROW = ("t", "m")
# What a call has beside its properties.
BESIDE = ("user_id", "anonymous_id", "message_id")
LISTS = ("items", "exclude")


class Row(NamedTuple):
    """A row as it is now or, once deleted, as it was: where it stands, what it tells, and when it was changed, where
    it does not say itself when what it tells of happened."""

    path: str
    members: dict[str, Any]
    event: str
    changed_at: Any
    place_of_time: str | None


class TableReader:
    """Reads the changes of one table."""

    def __init__(self, reader: Reader, table: Table) -> None:
        self.reader = reader
        self.table = table
        reader.aliases.add_columns(table.columns)

    def read(self, value: bytes | None, record_ms: int) -> Event | None:
        """The event of a change; none where it tells nothing, as the tombstone does that follows a deletion."""
        if value is None:
            return None
        tree = self.reader.tree(value)
        row = self._row(tree)
        if row is None:
            return None
        call = self._call(row)
        try:
            return self.reader.event_of(call, record_ms, lambda: _message_id(tree, row))
        except Reject as reject:
            if reject.path == "$.timestamp" and row.place_of_time:
                raise Reject(reject.code, row.place_of_time, reject.rule) from reject
            inside = reject.path.removeprefix("$").removeprefix(".properties")
            raise Reject(reject.code, row.path + inside, reject.rule) from reject

    def _row(self, tree: Any) -> Row | None:
        change, at = _member(tree, "payload"), "$.payload"
        if change is None:
            change, at = tree, "$"
        kind = _member(change, "op")
        if kind is None:
            raise Reject("missing_field", f"{at}.op")
        if kind in ABOUT_NO_ROW:
            return None
        if kind != DELETED and kind not in CHANGED:
            raise invalid(f"{at}.op")
        event, side = (self.table.deleted, "before") if kind == DELETED else (self.table.event, "after")
        if event is None:
            return None
        path, row = f"{at}.{side}", _member(change, side)
        if row is None:
            raise Reject("missing_field", path)
        members = as_object(row, path)
        told = self._told(members)
        if told is None:
            return None
        is_time = (self._field(column) == "timestamp" and value is not None for column, value in members.items())
        place, changed_at = (None, None) if kind in FIRST and any(is_time) else _changed_at(change, at)
        return Row(path, members, event if kind == DELETED else told, changed_at, place)

    def _told(self, row: dict[str, Any]) -> str | None:
        """What a row tells, by the value of its column where that decides it."""
        value = None if self.table.column is None else row.get(self.table.column)
        return self.table.event if value is None else self.table.by_value.get(_compared(value), self.table.event)

    def _call(self, row: Row) -> dict[str, Any]:
        """The row as a call: ids and times beside the properties, all other columns among them."""
        call: dict[str, Any] = {"event": row.event}
        properties: dict[str, Any] = {}
        trusted = row.changed_at
        for column, value in row.members.items():
            field = self._field(column)
            if field in BESIDE or (field == "timestamp" and trusted is None):
                call[column] = value
            elif field != "timestamp":
                properties[column] = self._value(column, value, f"{row.path}.{column}")
        if trusted is not None:
            call["timestamp"] = trusted
        return call | {"properties": properties}

    def _value(self, column: str, value: Any, path: str) -> Any:
        """A column's value. A list stands in a column of JSON, which comes as a text."""
        is_list = self.reader.aliases.field("properties", column)[0] in LISTS
        if not (is_list and type(value) is str and value.lstrip().startswith(("[", "{"))):
            return value
        try:
            return jsontext.parse(value.encode())
        except Reject as reject:
            raise Reject(reject.code, path + reject.path.removeprefix("$")) from reject

    def _field(self, column: str) -> str:
        return self.reader.aliases.field("envelope", column)[0]


def _member(tree: Any, name: str) -> Any:
    """The member of an object; none where it is null, missing, or of no object."""
    return tree.get(name) if type(tree) is dict else None


def _changed_at(change: Any, path: str) -> tuple[str | None, Any]:
    """When the database made the change, else when the connector told it, and where that stands."""
    for place, holder in ((f"{path}.source", _member(change, "source")), (path, change)):
        at = _member(holder, "ts_ms")
        if at is not None:
            return f"{place}.ts_ms", at
    return None, None


def _compared(value: Any) -> str:
    """A column's value as the configuration writes it."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return number_text(value)
    return value if type(value) is str else ""


def _message_id(tree: dict[str, Any], row: Row) -> str:
    """The same for a change that is told again at another time, by another release of the connector, or with a schema
    around it: of the event, the place in the database's log, and the row."""
    payload = _member(tree, "payload")
    source = _member(tree if payload is None else payload, "source")
    place = {name: value for name, value in source.items() if name != "version"} if type(source) is dict else {}
    return derived_id(tree_bytes(row.event) + tree_bytes(place) + tree_bytes(row.members))
