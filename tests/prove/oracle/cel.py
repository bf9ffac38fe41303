"""The Common Expression Language's syntax: text to a tree of tuples. What a tree means is in `condition`.

Trees: ("literal", value), ("name", name), ("select", tree, field), ("index", tree, tree),
("call", target or None, function, trees), ("list", trees), ("map", pairs),
("and" | "or", tree, tree), ("if", tree, tree, tree), ("not" | "negate", tree),
("binary", operator, tree, tree).
"""

from __future__ import annotations

import re
from typing import Any

from .document import ConfigurationError

Node = tuple[Any, ...]

TOKEN = re.compile(
    r"""\s*(?:(?P<comment>//[^\n]*)
    |(?P<float>(?:[0-9]+\.[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
    |(?P<int>0[xX][0-9a-fA-F]+|[0-9]+)(?P<unsigned>[uU])?
    |(?P<string>[rR]?(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    |(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}]))""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
RELATIONS = ("==", "!=", "<=", ">=", "<", ">", "in")


def parse(source: str) -> Node:
    """The tree of an expression."""
    parser = _Parser(source)
    tree = parser.ternary()
    parser.expect("end", "")
    return tree


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens: list[tuple[str, Any]] = []
        at = 0
        while source[at:].strip():
            match = TOKEN.match(source, at)
            if not match:
                raise ConfigurationError(f"not a CEL expression at `{source[at : at + 20]}`: {source}")
            at = match.end()
            kind = str(match.lastgroup)
            if kind == "unsigned":
                raise ConfigurationError(f"the oracle does not know unsigned numbers: {source}")
            if kind != "comment":
                self.tokens.append((kind, match[kind]))
        self.tokens.append(("end", ""))
        self.at = 0

    def take(self, kind: str, text: str) -> bool:
        if self.tokens[self.at] == (kind, text):
            self.at += 1
            return True
        return False

    def operator(self, *texts: str) -> str | None:
        return next((text for text in texts if self.take("name" if text == "in" else "operator", text)), None)

    def expect(self, kind: str, text: str) -> None:
        if not self.take(kind, text):
            found = self.tokens[self.at][1] or "its end"
            raise ConfigurationError(f"not a CEL expression: `{found}` is unexpected: {self.source}")

    def ternary(self) -> Node:
        tree = self.either()
        if self.operator("?"):
            yes = self.either()
            self.expect("operator", ":")
            return ("if", tree, yes, self.ternary())
        return tree

    def either(self) -> Node:
        tree = self.both()
        while self.operator("||"):
            tree = ("or", tree, self.both())
        return tree

    def both(self) -> Node:
        tree = self.relation()
        while self.operator("&&"):
            tree = ("and", tree, self.relation())
        return tree

    def relation(self) -> Node:
        tree = self.sum()
        while operator := self.operator(*RELATIONS):
            tree = ("binary", operator, tree, self.sum())
        return tree

    def sum(self) -> Node:
        tree = self.product()
        while operator := self.operator("+", "-"):
            tree = ("binary", operator, tree, self.product())
        return tree

    def product(self) -> Node:
        tree = self.unary()
        while operator := self.operator("*", "/", "%"):
            tree = ("binary", operator, tree, self.unary())
        return tree

    def unary(self) -> Node:
        if self.operator("!"):
            return ("not", self.unary())
        if self.operator("-"):
            tree = self.unary()
            number = tree[0] == "literal" and isinstance(tree[1], int | float)
            return ("literal", -tree[1]) if number else ("negate", tree)
        return self.member()

    def member(self) -> Node:
        tree = self.primary()
        while True:
            if self.operator("."):
                name = self.name()
                tree = (
                    ("call", tree, name, self.arguments(")"))
                    if self.operator("(")
                    else ("select", tree, name)
                )
            elif self.operator("["):
                tree = ("index", tree, self.ternary())
                self.expect("operator", "]")
            else:
                return tree

    def name(self) -> str:
        kind, text = self.tokens[self.at]
        if kind != "name":
            raise ConfigurationError(f"not a CEL expression: a name is missing: {self.source}")
        self.at += 1
        return str(text)

    def arguments(self, end: str) -> list[Node]:
        trees: list[Node] = []
        while not self.operator(end):
            trees.append(self.ternary())
            if not self.operator(","):
                self.expect("operator", end)
                break
        return trees

    def pairs(self) -> list[tuple[Node, Node]]:
        pairs: list[tuple[Node, Node]] = []
        while not self.operator("}"):
            key = self.ternary()
            self.expect("operator", ":")
            pairs.append((key, self.ternary()))
            if not self.operator(","):
                self.expect("operator", "}")
                break
        return pairs

    def primary(self) -> Node:
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "int":
            return ("literal", int(text, 16 if text[:2].lower() == "0x" else 10))
        if kind == "float":
            return ("literal", float(text))
        if kind == "string":
            return ("literal", _text(text))
        if kind == "name":
            if text in ("true", "false", "null"):
                return ("literal", {"true": True, "false": False, "null": None}[text])
            return ("call", None, text, self.arguments(")")) if self.operator("(") else ("name", text)
        if text == "(":
            tree = self.ternary()
            self.expect("operator", ")")
            return tree
        if text == "[":
            return ("list", self.arguments("]"))
        if text == "{":
            return ("map", self.pairs())
        raise ConfigurationError(f"the oracle does not know `{text or 'an end'}` here in CEL: {self.source}")


def _text(token: str) -> str:
    raw = token[0] in "rR"
    token = token[1:] if raw else token
    width = 3 if token[:3] in ("'''", '"""') else 1
    inner = token[width:-width]
    if raw:
        return inner

    def unescape(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "uUxX" and len(code) > 1:
            return chr(int(code[1:], 16))
        return ESCAPES.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[xX][0-9a-fA-F]{2}|.)", unescape, inner)
