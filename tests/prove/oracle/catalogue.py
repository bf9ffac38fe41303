"""The content that decisions choose from, as one partition knows it."""

from __future__ import annotations

from .event import Content


class Catalogue:
    """All content by id, by what it is about, and by base weight."""

    def __init__(self, contents: list[Content]) -> None:
        self.contents: dict[str, Content] = {}
        self.about: dict[str, dict[str, float]] = {}
        self._sorted: list[Content] | None = None
        self._changes: list[tuple[int, list[str]]] | None = None
        for content in contents:
            self.put(content)

    def put(self, content: Content) -> None:
        self.withdraw(content.content_id)
        self.contents[content.content_id] = content
        for value, weight in content.weights:
            self.about.setdefault(value, {})[content.content_id] = weight

    def withdraw(self, content_id: str) -> None:
        old = self.contents.pop(content_id, None)
        for value, _ in old.weights if old else ():
            self.about[value].pop(content_id, None)
        self._sorted = self._changes = None

    def changes(self) -> list[tuple[int, list[str]]]:
        """When content begins or ceases to be shown, and in which slots; none means any."""
        if self._changes is None:
            bounds = [(one.starts_at, one.ends_at, one.slots) for one in self.contents.values()]
            self._changes = [(at, slots) for *ends, slots in bounds for at in ends if at is not None]
        return self._changes

    def by_base_weight(self) -> list[Content]:
        """The highest base weight first, then in the order of ids."""
        if self._sorted is None:
            self._sorted = sorted(self.contents.values(), key=lambda one: (-one.base_weight, one.content_id))
        return self._sorted


def is_eligible(content: Content, slot: str, at: int) -> bool:
    """Whether it may be shown in a slot at an instant."""
    if content.slots and slot not in content.slots:
        return False
    if content.starts_at is not None and at < content.starts_at:
        return False
    return content.ends_at is None or at < content.ends_at
