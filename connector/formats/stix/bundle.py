"""A STIX bundle of messages (STIX 2.1 section 8)."""

from collections.abc import Iterable

from connector.model import Message
from connector.values.identifiers import stix_id


def bundle(messages: Iterable[Message]) -> bytes:
    """One STIX bundle: each object once, in its newest version, what is referred to before what refers."""
    newest = {message.id: message for message in messages}
    bodies = [message.body for message in sorted(newest.values(), key=lambda message: message.dependency_level)]
    identifier = stix_id("bundle", *(body.decode() for body in bodies))
    return b'{"type":"bundle","id":"%s","objects":[%s]}' % (identifier.encode(), b",\n".join(bodies))
