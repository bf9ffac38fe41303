"""What senders call things, and the one name that each stands for. Written down from the specifications of
Segment, GA4 and Snowplow and the product's documentation of its canonical names."""

from __future__ import annotations

from .configuration import Configuration

EVENTS = {
    "page_viewed": "page_view",
    "screen_viewed": "screen_view",
    "product_viewed": "view_item product_view",
    "product_list_viewed": "view_item_list list_view",
    "product_clicked": "select_item list_click",
    "products_searched": "search view_search_results",
    "product_added": "add_to_cart",
    "product_removed": "remove_from_cart",
    "cart_viewed": "view_cart",
    "checkout_started": "begin_checkout checkout_step",
    "order_completed": "purchase transaction",
    "order_refunded": "refund",
    "order_cancelled": "order_canceled",
    "promotion_viewed": "view_promotion promo_view",
    "promotion_clicked": "select_promotion promo_click",
    "product_added_to_wishlist": "add_to_wishlist",
    "engagement": "user_engagement scroll page_ping",
}
# By scope, canonical name: other names, best first.
FIELDS = {
    "envelope": {
        "message_id": "event_id",
        "event": "event_name name",
        "anonymous_id": "client_id user_pseudo_id domain_userid",
        "timestamp": "timestamp_micros event_timestamp",
        "properties": "params",
    },
    "properties": {
        "items": "products",
        "item_id": "product_id sku",
        "category": "item_category product_category",
        "brand": "item_brand",
        "order_id": "transaction_id",
        "value": "revenue total",
        "path": "page_path",
        "referrer": "page_referrer",
        "engaged_ms": "engagement_time_msec engagement_time_ms",
        "scroll_pct": "percent_scrolled scroll_depth scroll_percent",
    },
    "item": {
        "item_id": "product_id sku id item_name",
        "category": "item_category product_category",
        "brand": "item_brand",
    },
    "content": {
        "content_id": "id",
        "slots": "slot_types",
        "base_weight": "weight",
        "item_id": "product_id sku",
    },
}
CACHED_MAX = 20_000


class Aliases:
    """The names of one application."""

    def __init__(self, configuration: Configuration | None = None) -> None:
        self.events = {alias: name for name, all_ in EVENTS.items() for alias in all_.split()}
        self.fields: dict[str, dict[str, tuple[str, int]]] = {scope: {} for scope in FIELDS}
        for scope, names in FIELDS.items():
            for canonical, others in names.items():
                for alias in others.split():
                    self._add(scope, alias, canonical)
        for alias, canonical in (configuration.event_aliases if configuration else {}).items():
            self.events[snake_case(alias)] = canonical
        self._events: dict[str, str] = {}
        self._fields: dict[str, dict[str, tuple[str, int]]] = {scope: {} for scope in FIELDS}
        for alias, canonical in (configuration.field_aliases if configuration else {}).items():
            self.add_field(alias, canonical)

    @classmethod
    def none(cls) -> Aliases:
        """No names but the canonical ones, as they are in an event in canonical form."""
        aliases = cls()
        aliases.events = {}
        aliases.fields = {scope: {} for scope in FIELDS}
        return aliases

    def add_field(self, alias: str, canonical: str) -> None:
        """Lets a name stand for a field, in the envelope, in properties and in items."""
        for scope in ("envelope", "properties", "item"):
            self._add(scope, snake_case(alias), canonical)
        self._fields = {scope: {} for scope in FIELDS}

    def add_columns(self, columns: list[tuple[str, str]]) -> None:
        """Lets the columns of a table stand for fields, but not inside of its products. Unlike those of Google, the
        ids that it calls so by itself are of no device and no message."""
        for column, canonical in [("client_id", "client_id"), ("event_id", "event_id"), *columns]:
            if column not in ("event", "properties"):
                self._add("envelope", snake_case(column), canonical)
            self._add("properties", snake_case(column), canonical)
        self._fields = {scope: {} for scope in FIELDS}

    def event(self, name: str) -> str:
        """The canonical name of an event."""
        found = self._events.get(name)
        if found is None:
            snake = snake_case(name)
            found = self.events.get(snake, snake)
            if len(self._events) < CACHED_MAX:
                self._events[name] = found
        return found

    def field(self, scope: str, name: str) -> tuple[str, int]:
        """The canonical name of a field and its rank among the names of that field; 0 is the best."""
        cache = self._fields[scope]
        found = cache.get(name)
        if found is None:
            snake = snake_case(name)
            found = self.fields[scope].get(snake, (snake, 0))
            if len(cache) < CACHED_MAX:
                cache[name] = found
        return found

    def _add(self, scope: str, alias: str, canonical: str) -> None:
        ranks = [rank for name, rank in self.fields[scope].values() if name == canonical]
        self.fields[scope][alias] = (canonical, max(ranks, default=0) + 1)


def snake_case(name: str) -> str:
    """Lower case with `_` between words, which begin at capitals, blanks and hyphens; ASCII alone changes."""
    if not any("A" <= character <= "Z" or character in " -" for character in name):
        return name
    out: list[str] = []
    name = name.strip()
    before = "_"
    for at, character in enumerate(name):
        if character in " -":
            if not out or out[-1] != "_":
                out.append("_")
        else:
            upper = "A" <= character <= "Z"
            after = name[at + 1 : at + 2]
            if upper and (
                "a" <= before <= "z" or "0" <= before <= "9" or ("A" <= before <= "Z" and "a" <= after <= "z")
            ):
                out.append("_")
            out.append(character.lower() if upper else character)
        before = character
    return "".join(out)
