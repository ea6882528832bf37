"""Every mutant of a source that the operators give, from the compiler's syntax tree: no text is guessed at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

Node = dict[str, Any]

COMPARISONS: Final[Mapping[str, tuple[str, ...]]] = {
    "<": ("<=", ">"),
    "<=": ("<", ">="),
    ">": (">=", "<"),
    ">=": (">", "<="),
    "==": ("!=",),
    "!=": ("==",),
}
OPERATORS: Final[Mapping[str, str]] = {
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "*",
    "%": "/",
    "<<": ">>",
    ">>": "<<",
    "|": "&",
    "&": "|",
    "++": "--",
    "--": "++",
}
NEAR: Final[Mapping[str, tuple[str, str]]] = {
    "<": (" + 1", ""),
    "<=": ("", " + 1"),
    ">": ("", " + 1"),
    ">=": (" + 1", ""),
    "==": ("", " + 1"),
    "!=": ("", " + 1"),
}
"""What moves a comparison by one in the direction in which another operator does not."""
STATEMENTS: Final = ("ExpressionStatement", "EmitStatement", "Return", "IfStatement", "ForStatement")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A piece of a source and what stands there instead. Places are bytes, as the compiler counts them."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A source with one fault. `key` names it by what it says, not by where it stands."""

    operator: str
    function: str
    line: int
    before: str
    after: str
    copy: int
    source: str = field(repr=False)

    @property
    def key(self) -> str:
        """What names it in journals and in the list of equivalent ones, wherever its line moves."""
        again = f" (#{self.copy})" if self.copy > 1 else ""
        return f"{self.function}: {self.before} -> {self.after}{again}"


def mutants(source: str, tree: Node) -> list[Mutant]:
    """All mutants of a source, in its order; no two of them are the same text."""
    code = _Code(source)
    found: dict[str, Mutant] = {}
    copies: Counter[tuple[str, ...]] = Counter()
    for function, node in _nodes(tree, "contract", None):
        for operator, edits in _edits(code, node):
            text = code.changed(edits)
            if text != source and text not in found:
                found[text] = _mutant(code, operator, function, edits, copies)
    return list(found.values())


class _Code:
    """A source whose pieces are asked for by nodes of its tree."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bytes = text.encode()

    def span(self, node: Node) -> tuple[int, int]:
        start, length, _ = map(int, node["src"].split(":"))
        return start, start + length

    def of(self, node: Node) -> str:
        start, end = self.span(node)
        return self.bytes[start:end].decode()

    def edit(self, node: Node, text: str) -> Edit:
        start, end = self.span(node)
        return Edit(start=start, end=end, text=text)

    def between(self, left: Node, right: Node) -> tuple[int, int]:
        return self.span(left)[1], self.span(right)[0]

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """The whole lines that a piece stands in."""
        return self.bytes.rfind(b"\n", 0, start) + 1, self.bytes.find(b"\n", end)

    def changed(self, edits: list[Edit], start: int = 0, end: int | None = None) -> str:
        pieces, at = [], start
        for one in sorted(edits, key=lambda one: one.start):
            pieces += [self.bytes[at : one.start].decode(), one.text]
            at = one.end
        return "".join(pieces) + self.bytes[at : len(self.bytes) if end is None else end].decode()


def _mutant(code: _Code, operator: str, function: str, edits: list[Edit], copies: Counter[tuple[str, ...]]) -> Mutant:
    start, end = code.lines(min(one.start for one in edits), max(one.end for one in edits))
    before, after = _one_line(code.bytes[start:end].decode()), _one_line(code.changed(edits, start, end))
    named = (function, before, after)
    copies[named] += 1
    return Mutant(
        operator=operator,
        function=function,
        line=code.bytes.count(b"\n", 0, start) + 1,
        before=before,
        after=after,
        copy=copies[named],
        source=code.changed(edits),
    )


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _nodes(value: Any, function: str, parent: Node | None) -> Iterator[tuple[str, Node]]:
    """Every node of a tree with the function it stands in; a node knows its parent as `_parent`."""
    if isinstance(value, list):
        for one in value:
            yield from _nodes(one, function, parent)
    elif isinstance(value, dict):
        if "nodeType" in value:
            value["_parent"] = parent
            if value["nodeType"] == "FunctionDefinition":
                function = value["name"] or value["kind"]
            yield function, value
            parent = value
        for name, below in list(value.items()):
            if name != "_parent":
                yield from _nodes(below, function, parent)


def _edits(code: _Code, node: Node) -> Iterator[tuple[str, list[Edit]]]:
    for operator, changes in MUTATIONS.items():
        for edits in changes(code, node):
            yield operator, edits


# ----------------------------------------------------------------------------------------------------------- operators


def _negate(code: _Code, node: Node) -> Iterator[list[Edit]]:
    """A condition: of `if`, `for`, `?:`, `require`, each side of `&&` and `||`, and what is kept as true or false."""
    for one in _conditions(node):
        yield [code.edit(one, f"!({code.of(one)})")]


def _conditions(node: Node) -> Iterator[Node]:
    match node["nodeType"]:
        case "IfStatement" | "Conditional" | "ForStatement":
            yield node["condition"]
        case "FunctionCall" if _is_require(node):
            yield node["arguments"][0]
        case "BinaryOperation" if node["operator"] in ("&&", "||"):
            yield from (node["leftExpression"], node["rightExpression"])
        case _:
            yield from (one for one in _kept(node) if _type(one) == "bool")


def _kept(node: Node) -> Iterator[Node]:
    """What a statement assigns, declares or returns, where that is one value."""
    kept = {
        "Assignment": node.get("rightHandSide") if node.get("operator") == "=" else None,
        "VariableDeclarationStatement": node.get("initialValue"),
        "Return": node.get("expression"),
    }.get(node["nodeType"])
    if kept is not None:
        yield kept


def _drop_require(code: _Code, node: Node) -> Iterator[list[Edit]]:
    if node["nodeType"] == "ExpressionStatement" and _is_require(node["expression"]):
        yield [_without(code, node)]


def _swap_comparison(code: _Code, node: Node) -> Iterator[list[Edit]]:
    for other in COMPARISONS.get(_binary(node), ()):
        yield [_other_operator(code, node, other)]


def _off_by_one(code: _Code, node: Node) -> Iterator[list[Edit]]:
    """A number, a side of a comparison, and a number that is assigned, declared or returned."""
    if node["nodeType"] == "Literal" and node["kind"] == "number":
        yield [code.edit(node, f"({code.of(node)} + 1)")]
        if node["value"] != "0":
            yield [code.edit(node, f"({code.of(node)} - 1)")]
    if _binary(node) in NEAR and _is_number(node["leftExpression"]) and _is_number(node["rightExpression"]):
        yield from _near(code, node)
    for one in _kept(node):
        if _is_number(one) and one["nodeType"] != "Literal":
            yield [code.edit(one, f"({code.of(one)}) + 1")]


def _near(code: _Code, node: Node) -> Iterator[list[Edit]]:
    for side, more in zip(("leftExpression", "rightExpression"), NEAR[node["operator"]], strict=True):
        if more and node[side]["nodeType"] != "Literal":
            yield [code.edit(node[side], code.of(node[side]) + more)]


def _drop_line(code: _Code, node: Node) -> Iterator[list[Edit]]:
    if node["nodeType"] in STATEMENTS and not _is_require(node.get("expression") or {}):
        yield [_without(code, node)]


def _swap_arguments(code: _Code, node: Node) -> Iterator[list[Edit]]:
    """Two of a call's, an event's, an error's, a struct's or a tuple's values, where the compiler may take them so."""
    for one, other in combinations(_values(node), 2):
        if code.of(one) != code.of(other) and (_is_encoding(node) or _are_alike(one, other)):
            yield [code.edit(one, code.of(other)), code.edit(other, code.of(one))]


def _keep_one_side(code: _Code, node: Node) -> Iterator[list[Edit]]:
    if _binary(node) in ("&&", "||"):
        for side in ("leftExpression", "rightExpression"):
            yield [code.edit(node, code.of(node[side]))]


def _swap_operator(code: _Code, node: Node) -> Iterator[list[Edit]]:
    """An operator of numbers for another one."""
    if _binary(node) in OPERATORS:
        yield [_other_operator(code, node, OPERATORS[node["operator"]])]
    elif node["nodeType"] == "UnaryOperation" and node["operator"] in OPERATORS:
        yield [code.edit(node, code.of(node).replace(node["operator"], OPERATORS[node["operator"]]))]


MUTATIONS: Final[Mapping[str, Callable[[_Code, Node], Iterator[list[Edit]]]]] = {
    "negate a condition": _negate,
    "drop a require": _drop_require,
    "swap a comparison": _swap_comparison,
    "off by one": _off_by_one,
    "drop a line": _drop_line,
    "swap two arguments": _swap_arguments,
    "keep one side": _keep_one_side,
    "swap an operator": _swap_operator,
}


# --------------------------------------------------------------------------------------------------------------- nodes


def _binary(node: Node) -> str:
    return str(node["operator"]) if node["nodeType"] == "BinaryOperation" else ""


def _is_require(node: Node) -> bool:
    return node.get("nodeType") == "FunctionCall" and node["expression"].get("name") == "require"


def _type(node: Node) -> str:
    return str(node.get("typeDescriptions", {}).get("typeString") or "")


def _is_number(node: Node) -> bool:
    return _type(node).startswith(("uint", "int_const"))


def _are_alike(one: Node, other: Node) -> bool:
    return _type(one) == _type(other) or (_is_number(one) and _is_number(other))


def _is_encoding(node: Node) -> bool:
    callee = node.get("expression", {})
    return callee.get("nodeType") == "MemberAccess" and str(callee["memberName"]).startswith("encode")


def _values(node: Node) -> list[Node]:
    if node["nodeType"] in ("FunctionCall", "ModifierInvocation"):
        return node.get("arguments") or []
    return [one for one in node["components"] if one] if node["nodeType"] == "TupleExpression" else []


def _other_operator(code: _Code, node: Node, other: str) -> Edit:
    start, end = code.between(node["leftExpression"], node["rightExpression"])
    return Edit(start=start, end=end, text=code.bytes[start:end].decode().replace(node["operator"], other))


def _without(code: _Code, node: Node) -> Edit:
    """Nothing in a statement's place, or an empty block where a statement must stand; its semicolon goes with it."""
    start, end = code.span(node)
    if (node["_parent"] or {}).get("loopExpression") is node:
        return Edit(start=start, end=end, text="")
    if not code.bytes[start:end].endswith(b"}"):
        end = code.bytes.index(b";", end) + 1
    return Edit(start=start, end=end, text="{}")
