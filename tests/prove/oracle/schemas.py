"""Decodes outputs with the schema that wrote them, as the registry has it."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from typing import Any

import fastavro

from .log import CannotCheck

TIMEOUT_S = 10
MAGIC = 0


class Undecodable(Exception):
    """A value is not a Confluent frame of Avro."""


class Schemas:
    """The schemas of a registry, by id."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._schemas: dict[int, Any] = {}

    def decode(self, value: bytes | None) -> dict[str, Any]:
        """The record of a value. Instants stay numbers: what they are called is compared by the product's own
        tests of schemas."""
        if value is None or len(value) < 5 or value[0] != MAGIC:
            raise Undecodable("not a frame of a zero byte, a schema's id and a datum")
        schema = self.schema(int.from_bytes(value[1:5], "big"))
        stream = io.BytesIO(value)
        stream.seek(5)
        try:
            record = fastavro.schemaless_reader(stream, schema, None)
        except (ValueError, EOFError, IndexError, UnicodeDecodeError, TypeError, StopIteration) as error:
            raise Undecodable(f"the datum does not fit its schema: {error}") from error
        if stream.tell() != len(value):
            raise Undecodable(f"{len(value) - stream.tell()} bytes follow the datum")
        return dict(record)

    def schema(self, number: int) -> Any:
        if number not in self._schemas:
            try:
                with urllib.request.urlopen(f"{self.url}/schemas/ids/{number}", timeout=TIMEOUT_S) as answer:
                    text = json.load(answer)["schema"]
            except urllib.error.HTTPError as error:
                raise Undecodable(f"the registry answers {error.code} for schema {number}") from error
            except (urllib.error.URLError, TimeoutError) as error:
                raise CannotCheck(f"the registry {self.url} does not answer: {error}") from error
            self._schemas[number] = fastavro.parse_schema(_bare(json.loads(text)))
        return self._schemas[number]


def _bare(schema: Any) -> Any:
    """A schema without logical types, which would turn instants into objects."""
    if isinstance(schema, dict):
        return {key: _bare(value) for key, value in schema.items() if key != "logicalType"}
    return [_bare(part) for part in schema] if isinstance(schema, list) else schema
