"""YAML text to plain trees whose scalars stay text, as the product reads them: `on`, `12:30` and `007` are
what they look like. Stricter than YAML: no anchors, tags or repeated keys.

A mapping becomes a dict in its order, a list a list, a scalar a str, and nothing None.
"""

from __future__ import annotations

from typing import Any

import yaml

Tree = Any


class ConfigurationError(Exception):
    """The configuration says something that the oracle does not know or cannot accept."""


def parse(text: str, what: str) -> Tree:
    """The tree of a text; `what` names it in errors."""
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken | yaml.DirectiveToken):
                raise ConfigurationError(f"{what}: anchors, aliases, tags and directives are not supported")
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{what}: not YAML: {error}") from error
    if len(documents) > 1:
        raise ConfigurationError(f"{what}: a second document begins; keep one in a file")
    return _tree(documents[0], what) if documents and documents[0] is not None else None


def _tree(node: yaml.Node, what: str) -> Tree:
    if isinstance(node, yaml.ScalarNode):
        if node.style is None and node.value in ("", "~", "null", "Null", "NULL"):
            return None
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, what) for item in node.value]
    entries: dict[str, Tree] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigurationError(f"{what}: line {key.start_mark.line + 1}: a key must be one text")
        if key.value in entries:
            raise ConfigurationError(f"{what}: `{key.value}` is here twice; keep one of them")
        entries[key.value] = _tree(value, what)
    return entries
