"""MISP's REST API, imitated as in `peers.http_receivers`, by the sources of its controllers for events, attributes and
sightings: what these answer, and what they pass over without a word."""

import uuid

import orjson
from peers.http_receivers import Imitation, json_answer

TYPES = {
    "Payload delivery": {"sha256", "sha1", "md5"},
    "Network activity": {"domain", "url", "ip-dst"},
}


class Misp(Imitation):
    """An instance of MISP with one user.

    Attributes:
        refuse: texts; attributes that hold one do not pass its checks.
        may_write: whether the user may change events.
        shows_deleted: whether attributes that are deleted can still be looked at.
        events, attributes, sightings: by UUID.
    """

    key = "misp-key-0000"

    def __init__(self):
        super().__init__()
        self.refuse = ()
        self.may_write = True
        self.shows_deleted = False
        self.events, self.attributes, self.sightings = {}, {}, {}

    def answer(self, request, body):  # noqa: PLR0911 -- one for each thing that it does
        if request.headers.get("Authorization") != self.key:
            return _said(403, "Authentication failed. Please make sure you pass the API key of an API enabled user")
        if request.headers.get("Accept") != "application/json":
            return json_answer(302, {})  # to a page for people
        parts = request.path.strip("/").split("/")
        if request.method == "GET":
            return self._get(parts)
        if (cued := self.cue()) is not None:
            return cued
        if not self.may_write:
            return _said(403, "You do not have permission to do that.")
        asked = orjson.loads(body)
        match parts:
            case ["events", "add"]:
                return self._add_event(asked["Event"])
            case ["attributes", "add", event]:
                return self._add_attribute(event, asked["Attribute"])
            case ["attributes", "edit", attribute]:
                return self._edit_attribute(attribute, asked)
            case ["sightings", "bulkSaveSightings", event]:
                return self._add_sightings(event, asked)
        return _said(404, "Not found")

    def _get(self, parts):
        if parts == ["users", "view", "me"]:
            return json_answer(200, {"User": {"id": "1"}})
        attribute = self.attributes.get(parts[-1]) if parts[:2] == ["attributes", "view"] else None
        if attribute is None or (attribute.get("deleted") and not self.shows_deleted):
            return _said(404, "Invalid attribute")
        return json_answer(200, {"Attribute": attribute})

    def _add_event(self, event):
        uuid.UUID(event["uuid"])
        if event["uuid"] in self.events:
            said = "Event already exists, if you would like to edit it, use the url in the location header."
            return _said(404, said)
        self.events[event["uuid"]] = {**event, "id": str(len(self.events) + 1)}
        self.taken.append(event)
        return json_answer(200, {"Event": self.events[event["uuid"]]})

    def _event(self, name):
        return next((each for each in self.events.values() if name in (each["id"], each["uuid"])), None)

    def _add_attribute(self, name, attribute):
        event = self._event(name)
        if event is None:
            return _said(404, "Invalid event")
        if attribute["type"] not in TYPES.get(attribute["category"], ()) or _holds(attribute, self.refuse):
            return _unsaved("add", "value", "Value not in the right type/format. Please double check the value")
        if attribute["uuid"] in self.attributes:
            return _unsaved("add", "uuid", "The UUID provided is not unique")
        self.attributes[attribute["uuid"]] = {**attribute, "event_id": event["id"]}
        self.taken.append(attribute)
        return json_answer(200, {"Attribute": self.attributes[attribute["uuid"]]})

    def _edit_attribute(self, name, attribute):
        if not self._is_there(name):
            return _said(404, "Invalid attribute")
        if attribute.keys() - {"to_ids", "comment"}:
            return _unsaved("edit", "value", "not one of ours")
        self.attributes[name] |= attribute
        self.taken.append(attribute)
        return json_answer(200, {"Attribute": self.attributes[name]})

    def delete(self, attribute):
        """As somebody does in MISP: what is deleted is kept, and its UUID is not free."""
        self.attributes[attribute]["deleted"] = True

    def _is_there(self, attribute):
        return not self.attributes.get(attribute, {"deleted": True}).get("deleted")

    def _add_sightings(self, event, sightings):
        if self._event(event) is None:
            return _said(405, "Event not found or not accessible by this user.")
        for sighting in sightings:
            # What is there already, and one of an attribute that is not, it passes over.
            if sighting["uuid"] not in self.sightings and self._is_there(sighting["attribute_uuid"]):
                assert sighting["type"] in ("0", "1", "2")
                self.sightings[sighting["uuid"]] = sighting
                self.taken.append(sighting)
        return json_answer(200, {"saved": True, "success": f"{len(sightings)} sightings added."})


def _holds(attribute, texts):
    return any(each in str(attribute) for each in texts)


def _said(status, message):
    return json_answer(status, {"name": message, "message": message, "url": "/"})


def _unsaved(what, field, why):
    answer = {"saved": False, "name": f"Could not {what} Attribute", "message": f"Could not {what} Attribute"}
    return json_answer(403, {**answer, "errors": {field: [why]}})
