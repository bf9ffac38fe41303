"""A source record to an event or to the reason why not: the shapes of Segment, GA4, the data layer and plain
calls, brought to one form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xxhash

from . import jsontext
from . import referrer
from .aliases import Aliases, snake_case
from .clock import believed, corrected, instant
from .event import Event, Item
from .event_schemas import EventSchemas
from .fields import Fields, as_id, as_list, as_object, as_text
from .money import hundredths, stated
from .reject import Reject, invalid
from .schema_check import brought_up
from .shapes import event_name, properties_of, stated_schema

BLOCKED = frozenset(
    ["null", "undefined", "none", "nil", "nan", "n/a", "anonymous", "unknown", "guest", "true", "false", "-1"]
    + ["(not set)", "[object object]"]
)
NO_PROPERTIES: dict[str, Any] = {}


class Reader:
    """Reads the records of one source."""

    def __init__(
        self,
        topic: str,
        clock: str,
        ids: str,
        record_bytes_max: int,
        aliases: Aliases,
        schemas: EventSchemas | None = None,
    ) -> None:
        self.topic = topic
        self.clock = clock
        self.user_only = ids == "user"
        self.record_bytes_max = record_bytes_max
        self.aliases = aliases
        self.schemas = schemas or {}
        # What was brought up to a newer version has canonical names alone, and was checked.
        self.of_canonical = Reader(topic, clock, ids, record_bytes_max, Aliases.none()) if schemas else self

    def read(self, value: bytes | None, record_ms: int) -> Event:
        """The event of a record's value."""
        return self.event_of(self.tree(value), record_ms, lambda: derived_id(value or b""))

    def tree(self, value: bytes | None) -> Any:
        """The JSON of a record's value."""
        if value and len(value) > self.record_bytes_max:
            raise Reject("too_large")
        return jsontext.parse(value)

    def event_of(self, tree: Any, record_ms: int, id_of_none: Callable[[], str]) -> Event:
        """The event that a tree tells; `id_of_none` gives the message id of one that has none."""
        if type(tree) is not dict:
            raise invalid("$")
        envelope = Fields(self.aliases, "envelope").add_object(tree, "$")
        name, _ = event_name(envelope, self.aliases)
        stated_ = stated_schema(envelope)
        if name in self.schemas:
            document = brought_up(self.schemas[name], tree, self.aliases, stated_)
            if document is not None:
                envelope = Fields(self.of_canonical.aliases, "envelope").add_object(document, "$")
                envelope.take("event")
                return self.of_canonical._event(name, envelope, record_ms, id_of_none)
        return self._event(name, envelope, record_ms, id_of_none)

    def _event(self, name: str, envelope: Fields, record_ms: int, id_of_none: Callable[[], str]) -> Event:
        """The event of this name that the rest of its envelope holds."""
        event = Event()
        event.source = self.topic
        event.name = name
        found = envelope.take("message_id")
        event.message_id = id_of_none() if found is None else _short_id(found)
        event.person = self._person(envelope)
        self._times(event, envelope, record_ms)
        context = _context(envelope)
        traits = self._traits(event.name, envelope)
        properties = properties_of(envelope, self.aliases, traits is not None)
        self._contents(event, properties)
        event.page = _page(context, properties)
        flat = _flat(properties.rest(), "$.properties") if properties.members else {}
        if event.name in ("page_viewed", "screen_viewed") and "referrer_medium" not in flat:
            medium = referrer.medium(context, flat)
            if medium is not None:
                flat["referrer_medium"] = medium
        if event.value is None and event.properties:
            flat.update(event.properties)
        event.properties = flat
        event.traits = traits or NO_PROPERTIES
        return event

    def _person(self, envelope: Fields) -> str:
        user, device = envelope.take("user_id"), envelope.take("anonymous_id")
        if user is not None:
            somebody = _somebody(user.value, user.path)
            return somebody if self.user_only else f"user:{somebody}"
        if device is None or self.user_only:
            raise Reject("missing_field", "$.userId")
        return f"anonymous:{_somebody(device.value, device.path)}"

    def _times(self, event: Event, envelope: Fields, record_ms: int) -> None:
        names = ("original_timestamp", "timestamp", "sent_at", "received_at")
        founds = [envelope.take(name) for name in names]
        original, said, sent, says_received = (
            None if f is None else instant(f.value, f.path) for f in founds
        )
        says_received = believed(says_received, record_ms)
        received = says_received if says_received is not None else record_ms
        if not 0 <= received <= 7_258_118_399_999:
            raise Reject("implausible_time", "$.receivedAt")
        original = original if original is not None else said if said is not None else received
        event.original, event.received = original, received
        event.timestamp, event.clamped = corrected(
            self.clock, original, sent, received, says_received is not None
        )

    def _traits(self, name: str, envelope: Fields) -> dict[str, Any] | None:
        found = envelope.take("traits") if name == "identify" else None
        if found is None:
            return None
        members = as_object(found.value, found.path)
        fields = Fields(self.aliases, "properties").add_object(members, found.path)
        return _flat(fields.rest(), found.path)

    def _contents(self, event: Event, properties: Fields) -> None:
        """Order id, request, items and money, in the order in which their mistakes are told."""
        order = properties.take("order_id")
        event.order_id = None if order is None else as_text(order.value, order.path)
        event.request = _request(properties) if event.name == "decision_request" else None
        event.items = self._items(properties)
        is_commerce = event.order_id is not None or bool(event.items) or event.name.startswith("order_")
        event.value, currency = stated(properties, is_commerce)
        event.properties = {} if currency is None else {"currency": currency}

    def _items(self, properties: Fields) -> list[Item]:
        found = properties.take("items")
        if found is None:
            found = properties.take("item_id")
            return [] if found is None else [_product(found.value, found.path, properties)]
        items: list[Item] = []
        for path, value in as_list(found.value, found.path, 200):
            if type(value) in (str, int, float):
                items.append((as_id(value, path), None, None, None, 1))
                continue
            fields = Fields(self.aliases, "item").add_object(as_object(value, path), path)
            item_id = fields.take("item_id")
            if item_id is None:
                raise Reject("missing_field", f"{path}.item_id")
            items.append(_product(item_id.value, item_id.path, fields))
        return items


def derived_id(said: bytes) -> str:
    """The message id of what has none: the same for the same bytes."""
    return f"x-{xxhash.xxh3_128_hexdigest(said)}"


def _short_id(found: Any) -> str:
    text = as_id(found.value, found.path)
    if len(text) > 100:
        raise invalid(found.path)
    return text


def _somebody(value: Any, path: str) -> str:
    text = as_text(value, path) or ""
    bare = text.strip()
    if not bare.strip("0-") or (bare.isascii() and bare.lower() in BLOCKED):
        raise Reject("blocked_id", path)
    return text


def _context(envelope: Fields) -> Any:
    found = envelope.take("context")
    return None if found is None else as_object(found.value, found.path)


def _page(context: Any, properties: Fields) -> str | None:
    """The context's path, else the properties', else that of GA4's `page_location`."""
    page = None if context is None else context.get("page")
    path = page.get("path") if type(page) is dict else None
    path = path if path is not None else properties.peek("path")
    if type(path) is not str:
        path = properties.peek("page_location")
        if type(path) is not str:
            return None
        rest = path.split("://", 1)[-1]
        path = rest[rest.find("/") :] if "/" in rest else "/"
        path = path.split("?", 1)[0].split("#", 1)[0]
    return _cut(path) or None


def _cut(text: str) -> str:
    """At most 1,024 bytes, ending at the end of a character."""
    if len(text) <= 256:
        return text
    return text.encode()[:1024].decode("utf-8", errors="ignore")


def _request(properties: Fields) -> tuple[str, str, list[str]]:
    request_id, slot = properties.take("request_id"), None
    if request_id is None:
        raise Reject("missing_field", "$.properties.requestId")
    slot = properties.take("slot")
    if slot is None:
        raise Reject("missing_field", "$.properties.slot")
    exclude = properties.take("exclude")
    ids = [] if exclude is None else as_list(exclude.value, exclude.path, 200)
    excluded = [as_id(value, path) for path, value in ids]
    return _short_id(request_id), as_id(slot.value, slot.path), excluded


def _product(item_id: Any, path: str, fields: Fields) -> Item:
    found_id = as_id(item_id, path)
    texts: list[str | None] = []
    for name in ("category", "brand"):
        found = fields.take(name)
        texts.append(None if found is None else as_text(found.value, found.path))
    found = fields.take("price")
    price = None if found is None else hundredths(found.value, found.path)
    found = fields.take("quantity")
    quantity = 1 if found is None else _quantity(found.value, found.path)
    return found_id, texts[0], texts[1], price, quantity


def _quantity(value: Any, path: str) -> int:
    if type(value) is str and len(value) < 20 and value.isascii() and value.removeprefix("+").isdigit():
        value = int(value)
    if type(value) not in (int, float) or value != value // 1 or not 0 <= value <= 1_000_000:
        raise invalid(path)
    return int(value)


def _flat(rest: list[tuple[str, Any]], path: str) -> dict[str, Any]:
    """Objects become dotted names. Of two values of one name the first stays; nulls, empty lists and lists of
    anything but texts are dropped."""
    flat: dict[str, Any] = {}
    for name, value in rest:
        _add_flat(flat, name, value, path)
    return flat


def _add_flat(flat: dict[str, Any], name: str, value: Any, path: str) -> None:
    if len(name) > 32 and len(name.encode()) > 128:
        raise invalid(path)
    kind = type(value)
    if kind is dict:
        for key in sorted(value):
            _add_flat(flat, f"{name}.{snake_case(key)}", value[key], path)
        return
    if kind is list:
        if not value or not all(type(item) is str for item in value):
            return
        value = [_cut(item) for item in value[:64]]
    elif kind is str:
        value = _cut(value)
    elif kind is int and value >= 2**63:
        value = float(value)
    elif value is None:
        return
    if name not in flat:
        if len(flat) == 128:
            raise invalid(path)
        flat[name] = value
