"""Reads one mapping of the configuration: every key is asked for by somebody, and what nobody asked for is
refused by name, so that nothing in a configuration is ignored in silence."""

from __future__ import annotations

import re
from typing import Any

from .document import ConfigurationError

DURATIONS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class Section:
    """One mapping with a name. `done` refuses what was not read."""

    def __init__(self, tree: Any, path: str) -> None:
        if tree is None:
            tree = {}
        if not isinstance(tree, dict):
            raise ConfigurationError(f"{path or 'the document'} must be a mapping")
        self.path = path
        self.entries: dict[str, Any] = {key: value for key, value in tree.items() if value is not None}
        self.unread = {key for key, value in tree.items()}

    def name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def raw(self, key: str) -> Any:
        self.unread.discard(key)
        return self.entries.get(key)

    def has(self, key: str) -> bool:
        return key in self.entries

    def skip(self, *keys: str) -> None:
        """Notes keys that the oracle knows and that change no output."""
        self.unread.difference_update(keys)

    def done(self) -> None:
        if self.unread:
            names = ", ".join(f"`{self.name(key)}`" for key in sorted(self.unread))
            raise ConfigurationError(f"the oracle does not know {names}")

    def section(self, key: str) -> Section:
        return Section(self.raw(key), self.name(key))

    def text(self, key: str, default: str | None = None) -> str | None:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise ConfigurationError(f"{self.name(key)} must be a single value")
        if not value.strip() or len(value.encode()) > 4096:
            raise ConfigurationError(f"{self.name(key)} is empty or longer than 4096 bytes")
        return value

    def needed(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise ConfigurationError(f"{self.name(key)} is missing")
        return value

    def texts(self, key: str, most: int, default: tuple[str, ...] = ()) -> list[str]:
        value = self.raw(key)
        if value is None:
            return list(default)
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) and item.strip() for item in items):
            raise ConfigurationError(f"{self.name(key)} must be a list of texts")
        if len(items) > most or len(set(items)) < len(items):
            raise ConfigurationError(f"{self.name(key)} has more than {most} entries or one of them twice")
        return items

    def event_names(self, key: str, default: tuple[str, ...] = ()) -> list[str]:
        events = self.texts(key, 64, default)
        if any(len(event.encode()) > 200 for event in events):
            raise ConfigurationError(f"{self.name(key)} names an event of more than 200 bytes")
        return events

    def choice(self, key: str, words: tuple[str, ...], default: str) -> str:
        value = self.text(key, default)
        if value not in words:
            raise ConfigurationError(f"{self.name(key)} is `{value}`; the oracle knows {', '.join(words)}")
        return value

    def truth(self, key: str, default: bool) -> bool:
        return self.choice(key, ("true", "false"), "true" if default else "false") == "true"

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        value = self.text(key, str(default))
        if not re.fullmatch(r"[+-]?[0-9]+", value or ""):
            raise ConfigurationError(f"{self.name(key)} is `{value}`; write a whole number")
        return self._within(key, int(value or "0"), low, high)

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        value = self.text(key, None if default is None else repr(default))
        if value is None:
            raise ConfigurationError(f"{self.name(key)} is missing")
        return self._within(key, read_number(value, self.name(key)), low, high)

    def duration_ms(self, key: str, low: int, high: int, default: str | None) -> int:
        value = self.text(key, default)
        if value is None:
            raise ConfigurationError(f"{self.name(key)} is missing")
        return self._within(key, quantity(value, DURATIONS_MS, self.name(key)), low, high)

    def size_bytes(self, key: str, low: int, high: int, default: str) -> int:
        value = self.text(key, default)
        return self._within(key, quantity(value or "", SIZES, self.name(key)), low, high)

    def table(self, key: str, most: int) -> list[tuple[str, str]]:
        """A mapping of names to texts."""
        present, tree = self.has(key), self.raw(key)
        if not present:
            return []
        if not isinstance(tree, dict) or not 1 <= len(tree) <= most:
            raise ConfigurationError(f"{self.name(key)} must be a mapping of 1 to {most} entries")
        if not all(isinstance(one, str) and one.strip() and len(one.encode()) <= 4096 for one in tree.values()):
            raise ConfigurationError(f"{self.name(key)} must map names to single values")
        return list(tree.items())

    def durations_ms(self, key: str, most: int, low: int, high: int) -> dict[str, int]:
        """A mapping of names to durations."""
        tree = self.raw(key)
        if tree is None:
            return {}
        if not isinstance(tree, dict) or len(tree) > most:
            raise ConfigurationError(f"{self.name(key)} must be a mapping of at most {most} entries")
        if not all(name.strip() for name in tree):
            raise ConfigurationError(f"{self.name(key)} must be a mapping of names")
        each = Section(tree, self.name(key))
        return {name: each.duration_ms(name, low, high, None) for name in tree}

    def numbers(self, key: str, most: int, low: float, high: float) -> dict[str, float]:
        """A mapping of names to numbers."""
        tree = self.raw(key)
        if tree is None:
            return {}
        if not isinstance(tree, dict) or len(tree) > most:
            raise ConfigurationError(f"{self.name(key)} must be a mapping of at most {most} entries")
        numbers = {}
        for name, value in tree.items():
            path = f"{self.name(key)}.{name}"
            if not isinstance(value, str) or not name.strip():
                raise ConfigurationError(f"{path} must be a number with a name")
            number = read_number(value, path)
            if not low <= number <= high:
                raise ConfigurationError(f"{path} must lie between {low} and {high}")
            numbers[name] = number + 0.0
        return numbers

    def _within(self, key: str, value: Any, low: Any, high: Any) -> Any:
        if not low <= value <= high:
            raise ConfigurationError(f"{self.name(key)} is {value}; it must lie between {low} and {high}")
        return value


def quantity(text: str, units: dict[str, int], path: str) -> int:
    """A whole number with a unit, such as `30s`."""
    match = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", text)
    if match and (match[2] in units or text == "0"):
        return int(match[1]) * units.get(match[2], 1)
    raise ConfigurationError(f"{path} is `{text}`; write a whole number and a unit of {', '.join(units)}")


def read_number(text: str, path: str) -> float:
    """A finite decimal number."""
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise ConfigurationError(f"{path} is `{text}`; write a number such as 2 or 0.5")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ConfigurationError(f"{path} is `{text}`, which is too large")
    return number
