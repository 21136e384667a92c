"""`GET /docs`: the OpenAPI document as a page to read, which loads nothing from elsewhere."""

import base64
import hashlib
import html
import json
from collections.abc import Iterator
from typing import Any

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid GrayText; padding-top: 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid GrayText; border-radius: 4px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid GrayText; }
nav li { display: inline-block; margin-right: 1rem; }
nav ul { padding: 0; }
"""

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content security policy of the page: it has its own style, and nothing else."""


def page(document: dict[str, Any]) -> str:
    """The page, as HTML."""
    return "\n".join(_lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    title = _text(f"{info['title']} {info['version']}")
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
    yield from _paragraphs(info["description"])
    yield '<p><a href="openapi.json">openapi.json</a> is the same for machines (OpenAPI 3.1).</p>'
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    yield "<nav aria-label='Operations'><ul>"
    for _, _, operation in operations:
        name = _text(operation["operationId"])
        yield f'<li><a href="#{name}">{name}</a></li>'
    yield "</ul></nav>"
    for method, path, operation in operations:
        yield from _operation(document, method, path, operation)
    yield "</main></body></html>"


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<section><h2 id="{_text(operation["operationId"])}"><code>{method} {_text(path)}</code></h2>'
    yield from _paragraphs(operation.get("description") or operation.get("summary") or "")
    rows = [
        (each["name"], each.get("schema", {}), each.get("description", "")) for each in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    required = {each["name"] for each in operation.get("parameters", ()) if each.get("required")}
    if body:
        schema = _resolved(document, body["schema"])
        required |= set(schema.get("required", ()))
        rows += [(name, each, each.get("description", "")) for name, each in schema.get("properties", {}).items()]
    if rows:
        yield "<h3>Parameters</h3><table><thead><tr><th scope='col'>name</th><th scope='col'>type</th>"
        yield "<th scope='col'>default</th><th scope='col'>meaning</th></tr></thead><tbody>"
        for name, each, meaning in rows:
            default = "required" if name in required else _default(each)
            cells = (f"<code>{_text(name)}</code>", _text(kind(each)), _text(default), _text(meaning))
            yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        yield "</tbody></table>"
    yield f"<h3>Example</h3><pre>{_text(_curl(method, path, body))}</pre>"
    yield "<h3>Answers</h3><table><tbody>"
    for status, answer in operation.get("responses", {}).items():
        yield f"<tr><th scope='row'>{_text(status)}</th><td>{_text(answer['description'])}</td></tr>"
    yield "</tbody></table></section>"


def kind(schema: dict[str, Any]) -> str:
    """A JSON Schema's type in words."""
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if any("date" in each.get("format", "") for each in schema.get("anyOf", ())):
        return "time"
    names = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "object"}
    return names.get(schema.get("type", ""), "any")


def _curl(method: str, path: str, body: dict[str, Any]) -> str:
    lines = [f'curl -X {method} "$SERVER{path}" -H "Authorization: Bearer $TOKEN"']
    if body:
        (example,) = body.get("examples", {"": {"value": {}}}).values()
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(example['value'])}'"]
    return " \\\n  ".join(lines)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"].get(name, schema)
    return found


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    return "" if value is None or value == "" else str(value)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield f"<p>{_text(paragraph)}</p>"


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
