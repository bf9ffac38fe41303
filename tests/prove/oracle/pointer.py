"""JSON Pointers (RFC 6901), as schemas name places."""

from __future__ import annotations

from collections.abc import Iterable


def pointer(steps: Iterable[str | int]) -> str:
    return "".join(f"/{escaped(str(step))}" for step in steps)


def steps_of(text: str) -> list[str]:
    return [unescaped(step) for step in text.split("/")[1:]]


def escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
