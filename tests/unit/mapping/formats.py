"""A small format of its own, for tests of mappings."""

import json
from types import MappingProxyType

from connector import mapping
from connector.model import Refused
from connector.settings import yamldoc


class Plain:
    """Quotes text in the property `pattern`, refuses the text `bad`, gives each document an id from its type."""

    names = MappingProxyType({})

    def quote(self, key, value):
        if value == "bad":
            raise Refused("bad cannot stand here", by="format")
        text = value if isinstance(value, str) else json.dumps(value)
        return f"'{text}'" if key == "pattern" else text

    def finalizer(self, shape, *, check=True):
        return lambda document: {"id": f"{document.get('type')}--1", **document}

    def finalized_shape(self, shape):
        return shape

    def encode(self, document):
        return json.dumps(document).encode()


FORMATS = {"plain": Plain()}

VIEW = {
    "notification": {
        "id": "9047905968",
        "date": 1684311125,
        "origin": "hunting",
        "entity_type": "domain",
        "entity_id": "example.com",
        "hunting_info": None,
        "tags": ["a", None, "b"],
        "sources": [{"id": "1", "label": "one"}, {"id": "2"}],
        "link": None,
    },
    "entity": {"score": 7, "ratio": 0.5, "clean": False, "empty": [], "nested": {"null": None, "list": [[], {}]}},
    "entity_value": "example.com",
}


def compiled(text):
    return mapping.compile_mapping(yamldoc.parse(text, "test.yaml"), FORMATS)


def emitting(body):
    """A mapping of one document, `one`; the body is indented below it."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return compiled(f"format: plain\nemit:\n  one:\n{lines}\n")


def rendered(body, view=VIEW):
    """The one document that a body becomes, without the id that the format adds; None when it is left out."""
    documents = emitting(body).render(view)
    if not documents:
        return None
    (document,) = documents
    return {key: value for key, value in document.items() if key != "id"}
