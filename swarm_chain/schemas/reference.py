"""The reference of what `--json` writes, made from its schemas.

python -m swarm_chain.schemas.reference > docs/reference/json.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from swarm_chain.schemas import NAMES, load_schema

_INTRODUCTION = """\
# What `--json` writes

Made from `swarm_chain/schemas` (`python -m swarm_chain.schemas.reference > docs/reference/json.md`); a test compares,
and every `--json` output is checked against its schema (JSON Schema 2020-12) in the tests.

Keys are stable: new ones may come with a new version, none goes or changes its meaning. `FILE` `-` is stdout.
`a[].b` is the key `b` of each entry of the list `a`; `a.*` is any key of `a`.
"""


def render() -> str:
    """The whole reference in Markdown."""
    return "\n".join([_INTRODUCTION, *(section(load_schema(name)) for name in NAMES)])


def section(schema: Mapping[str, Any]) -> str:
    """One schema in Markdown."""
    rows = [f"| `{path}` | {kind} | {meaning} |" for path, kind, meaning in _rows(schema, schema, "")]
    head = [
        f"## `{schema['title']}`",
        "",
        str(schema.get("description", "")),
        "",
        "| key | type | meaning |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *rows, ""])


def _rows(schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    """Path, type and meaning of every key in a schema, outer ones first."""
    for name, declared in schema.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        inner = _resolved(declared, root)
        yield below, _type(declared, root), str(declared.get("description", inner.get("description", "")))
        yield from _nested(inner, root, below)


def _nested(schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for option in schema.get("anyOf", schema.get("oneOf", ())):
        yield from _nested(_resolved(option, root), root, path)
    if "items" in schema:
        yield from _nested(_resolved(schema["items"], root), root, f"{path}[]")
    yield from _rows(schema, root, path)
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping) and "properties" in _resolved(others, root):
        yield from _nested(_resolved(others, root), root, f"{path}.*")


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    if reference == "#":
        return {}  # All of it again, which is described once.
    found: Mapping[str, Any] = root["$defs"][reference.removeprefix("#/$defs/")]
    return found


def _type(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """The type in a few words: `integer or null`, `list of string`, `"commit", "reveal"`."""
    if schema.get("$ref") == "#":
        return "all of this again"
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix("#/$defs/"))
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return ", ".join(_literal(value) for value in schema["enum"])
    options = schema.get("anyOf", schema.get("oneOf"))
    if options:
        return " or ".join(_type(option, root) for option in options)
    kind = schema.get("type", "anything")
    if kind == "array" and "items" in schema:
        return f"list of {_type(schema['items'], root)}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _literal(value: object) -> str:
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    sys.stdout.write(render())
