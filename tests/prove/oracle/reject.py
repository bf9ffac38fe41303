"""Why a record cannot be used: the code and the JSON path that its dead letter must carry."""

from __future__ import annotations


class Reject(Exception):
    """A record that becomes a dead letter."""

    def __init__(self, code: str, path: str = "$") -> None:
        super().__init__(f"{code} at {path}")
        self.code = code
        self.path = path


def invalid(path: str) -> Reject:
    return Reject("invalid_field", path)
