"""Which part of which shape says what: the name of an event, the version of its schema, and its properties. Both
the reading of an event and its canonical form ask here, so that they cannot differ."""

from __future__ import annotations

from .aliases import Aliases
from .fields import CONTROL, Fields, Found, as_object
from .reject import Reject, invalid

CALLS = {"page": "page_viewed", "screen": "screen_viewed", "identify": "identify"}
NAME_BYTES_MAX = 128


def event_name(envelope: Fields, aliases: Aliases) -> tuple[str, Found]:
    """The canonical name, and what says it: the kind of call where that decides it, else the event's own name."""
    kind = envelope.peek("type")
    kind = kind.lower() if type(kind) is str else ""
    if kind in CALLS:
        found = envelope.take("type")
        assert found is not None, "it was seen just now"
        return CALLS[kind], found
    if kind == "track":
        envelope.take("type")
    named = kind in ("track", "") or envelope.peek("event") is not None
    found = envelope.take("event" if named else "type")
    if found is None:
        raise Reject("missing_field", "$.event")
    name = found.value
    if type(name) is not str or not name.strip() or len(name.encode()) > NAME_BYTES_MAX or CONTROL.search(name):
        raise invalid(found.path)
    return aliases.event(name), found


def stated_schema(envelope: Fields) -> Found | None:
    """What the sender says of the event's schema. A `schema` that is no object is a property like any other."""
    return envelope.take("schema") if type(envelope.peek("schema")) is dict else None


def properties_of(envelope: Fields, aliases: Aliases, has_traits: bool) -> Fields:
    """The properties, with those of an `ecommerce` object in them or beside them. In a call that has neither
    properties nor traits, whatever else stands at the top are properties too."""
    said, beside = envelope.take("properties"), envelope.take("ecommerce")
    envelope.take("integrations")
    properties = Fields(aliases, "properties")
    if said is not None:
        properties.add_object(as_object(said.value, said.path), said.path)
    inside = properties.take("ecommerce")
    for found in (inside, beside):
        if found is not None:
            properties.add_object(as_object(found.value, found.path), found.path)
    if said is None and not has_traits:
        properties.add_rest_of(envelope)
    return properties
