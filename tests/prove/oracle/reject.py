"""Why a record cannot be used: the code and the JSON path that its dead letter must carry, and the demand of a
schema that is not met, where that is the reason."""

from __future__ import annotations

# The event, the version of its schema, and the keyword.
Rule = tuple[str, int, str]


class Reject(Exception):
    """A record that becomes a dead letter."""

    def __init__(self, code: str, path: str = "$", rule: Rule | None = None) -> None:
        super().__init__(f"{code} at {path}")
        self.code = code
        self.path = path
        self.rule = rule


def invalid(path: str) -> Reject:
    return Reject("invalid_field", path)
