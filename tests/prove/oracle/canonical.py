"""An event's record in canonical form, which is what schemas speak of: canonical names, nulls left out, properties
in one object and products in one list, whichever shape the sender wrote; and where each part stood in the record,
since a dead letter names the place that the sender knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .aliases import Aliases
from .fields import Fields, Found, as_list, as_object
from .pointer import escaped, steps_of
from .shapes import event_name, properties_of, stated_schema

ITEMS_MAX = 200
# What stands beside the properties, besides `event`, `context` and `traits`.
ENVELOPE = (
    "message_id", "user_id", "anonymous_id", "timestamp", "original_timestamp", "sent_at", "received_at",
)  # fmt: skip
# What a product has of its own; the rest stays among the properties where there is one product only.
PRODUCT = ("item_id", "category", "brand", "price", "quantity")


@dataclass(slots=True)
class Canonical:
    """The document, and by JSON Pointer the JSON paths of its parts in the record."""

    document: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def path(self, pointer: str) -> str:
        """The path in the record of a place in the document: that of the closest part around it that is known, and
        from there on as in the document."""
        around = pointer
        while around and around not in self.places:
            around = around[: around.rindex("/")]
        return _below(self.places.get(around, "$"), pointer[len(around) :])

    def put(self, into: dict[str, Any], pointer: str, name: str, found: Found) -> None:
        self.places[f"{pointer}/{escaped(name)}"] = found.path
        into[name] = without_nulls(found.value)

    def put_rest(self, into: dict[str, Any], pointer: str, fields: Fields) -> dict[str, Any]:
        """Adds all that nobody took. Where a name comes twice, the first stays."""
        for name, found in fields.rest_found():
            if name not in into:
                self.put(into, pointer, name, found)
        return into


def canonical(tree: dict[str, Any], aliases: Aliases) -> Canonical:
    """The canonical form of a record."""
    form = Canonical()
    document = form.document
    envelope = Fields(aliases, "envelope").add_object(tree, "$")
    document["event"], found = event_name(envelope, aliases)
    form.places["/event"] = found.path
    stated_schema(envelope)
    for name in (*ENVELOPE, "context"):
        if (member := envelope.take(name)) is not None:
            form.put(document, "", name, member)
    traits = envelope.take("traits") if document["event"] == "identify" else None
    if traits is not None:
        fields = Fields(aliases, "properties").add_object(as_object(traits.value, traits.path), traits.path)
        form.places["/traits"] = traits.path
        document["traits"] = form.put_rest({}, "/traits", fields)
    properties = properties_of(envelope, aliases, traits is not None)
    document["properties"] = form.put_rest(_items(form, properties, aliases), "/properties", properties)
    return form


def _items(form: Canonical, properties: Fields, aliases: Aliases) -> dict[str, Any]:
    """The products as the only property, where there are any."""
    found = properties.take("items")
    if found is not None:
        form.places["/properties/items"] = found.path
        elements = as_list(found.value, found.path, ITEMS_MAX)
        return {"items": [_item(form, at, *element, aliases) for at, element in enumerate(elements)]}
    if properties.peek("item_id") is None:
        return {}
    item: dict[str, Any] = {}
    for name in PRODUCT:
        if (member := properties.take(name)) is not None:
            form.put(item, "/properties/items/0", name, member)
    return {"items": [item]}


def _item(form: Canonical, at: int, path: str, value: Any, aliases: Aliases) -> Any:
    pointer = f"/properties/items/{at}"
    form.places[pointer] = path
    if type(value) is dict:
        return form.put_rest({}, pointer, Fields(aliases, "item").add_object(value, path))
    if type(value) in (str, int, float):
        form.places[f"{pointer}/item_id"] = path
        return {"item_id": value}
    return without_nulls(value)


def without_nulls(value: Any) -> Any:
    """A value without the members that are null; in lists nulls keep the places of the others."""
    if type(value) is dict:
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(element) for element in value] if type(value) is list else value


def _below(path: str, pointer: str) -> str:
    """The path that leads on from `path` by the steps of a pointer."""
    for step in steps_of(pointer):
        path += f"[{step}]" if not step.strip("0123456789") else f".{step}"
    return path
