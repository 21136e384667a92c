"""Receivers of logs and records, imitated as in `peers.http_receivers`: Datadog, Google SecOps, Kafka by REST."""

import base64
import re
import time
from urllib.parse import parse_qs

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from peers.http_receivers import Imitation, json_answer


class Datadog(Imitation):
    """Datadog's intake of logs.

    Attributes:
        refuse: texts; a request with a log that holds one is refused as a whole.
    """

    api_key = "datadog-key-0000"
    most_logs = 1000
    most_bytes = 5_000_000

    def __init__(self):
        super().__init__()
        self.refuse = ()

    def answer(self, request, body):
        if request.path != "/api/v2/logs" or request.method != "POST":
            return json_answer(404, {"errors": ["Not found"]})
        key = request.headers.get("DD-API-KEY")
        if key != self.api_key:
            said = ("Forbidden", 403) if key else ("Unauthorized", 401)
            return json_answer(said[1], {"errors": [{"status": str(said[1]), "title": said[0]}]})
        if (cued := self.cue()) is not None:
            return cued
        if len(body) > self.most_bytes:
            return json_answer(413, {"errors": [{"status": "413", "title": "Payload Too Large"}]})
        try:
            logs = orjson.loads(body)
        except ValueError:
            logs = None
        is_list = (
            isinstance(logs, list) and len(logs) <= self.most_logs and all(isinstance(each, dict) for each in logs)
        )
        if not is_list or any(each in body.decode() for each in self.refuse):
            problem = {"status": "400", "title": "Bad Request", "detail": "Invalid payload"}
            return json_answer(400, {"errors": [problem]})
        self.taken += logs
        return json_answer(202, {})


class DatadogStix(Imitation):
    """Datadog's ingestion of STIX bundles. WSGI hides the header `ti_vendor`, for its underscore.

    Attributes:
        refuse: texts; indicators that hold one have a pattern that cannot be parsed.
        unsupported: how many indicators had patterns of other things than it takes.
    """

    api_key = "datadog-key-0000"
    application_key = "datadog-application-0000"

    def __init__(self):
        super().__init__()
        self.refuse = ()
        self.unsupported = 0

    def answer(self, request, body):
        if request.path != "/api/v2/security/threat-intel/stix" or request.method != "POST":
            return json_answer(404, {"errors": ["Not found"]})
        keys = [request.headers.get(name) for name in ("DD-API-KEY", "DD-APPLICATION-KEY")]
        if keys != [self.api_key, self.application_key]:
            return json_answer(403, {"errors": [{"status": "403", "title": "Forbidden"}]})
        if (cued := self.cue()) is not None:
            return cued
        bundle = orjson.loads(body)
        if bundle["type"] != "bundle" or not re.fullmatch(r"bundle--[0-9a-f-]{36}", bundle["id"]):
            return json_answer(400, {"errors": [{"status": "400", "title": "Bad Request"}]})
        counts = {"accepted": 0, "invalid": 0, "unsupported": 0}
        for each in bundle["objects"]:
            if each["type"] != "indicator":
                continue
            if any(text in each["pattern"] for text in self.refuse):
                counts["invalid"] += 1
            elif re.search(r"\[(ipv[46]-addr|domain-name):value|hashes\.'SHA-256'", each["pattern"]):
                counts["accepted"] += 1
                self.taken.append(each)
            else:
                counts["unsupported"] += 1
        self.unsupported += counts["unsupported"]
        return json_answer(200, {"data": {"type": "threat-intel-stix-ingest", "id": "a", "attributes": counts}})


class KafkaRest(Imitation):
    """A REST proxy with version 2 of Confluent's API.

    Attributes:
        busy: keys; how often a record with this key fails for now.
        refuse: texts; records that hold one are none that the broker's checks let pass.
        readers_only: whether the login may not write.
    """

    topic = "vt"
    login = "Basic cHJvZHVjZXI6cmVzdC1wYXNzd29yZC0wMDAw"  # producer:rest-password-0000
    largest = 1_048_576

    def __init__(self):
        super().__init__()
        self.busy = {}
        self.refuse = ()
        self.readers_only = False

    def answer(self, request, body):  # noqa: PLR0911 -- one for each thing that it refuses
        if request.headers.get("Authorization") != self.login:
            return json_answer(401, {"error_code": 401, "message": "Unauthorized"})
        if request.path != f"/topics/{self.topic}":
            return json_answer(404, {"error_code": 40401, "message": "Topic not found."})
        if request.method == "GET":
            return json_answer(200, {"name": self.topic, "partitions": []})
        if (cued := self.cue()) is not None:
            return cued
        if request.headers["Content-Type"] != "application/vnd.kafka.json.v2+json":
            return json_answer(415, {"error_code": 415, "message": "HTTP 415 Unsupported Media Type"})
        asked = orjson.loads(body)
        if asked.keys() != {"records"} or any(
            not {"key", "value", "partition"} >= each.keys() for each in asked["records"]
        ):
            return json_answer(422, {"error_code": 422, "message": "Unrecognized field"})
        offsets = [self._produced(record) for record in asked["records"]]
        return json_answer(200, {"offsets": offsets, "key_schema_id": None, "value_schema_id": None})

    def _produced(self, record):
        failed = {"partition": None, "offset": None}
        if self.readers_only:
            return {**failed, "error_code": 1, "error": f"Not authorized to access topics: [{self.topic}]"}
        size = len(orjson.dumps(record["value"]))
        if size > self.largest:
            said = f"The message is {size} bytes when serialized which is larger than {self.largest}"
            return {**failed, "error_code": 1, "error": said}
        if any(each in str(record["value"]) for each in self.refuse):
            return {**failed, "error_code": 1, "error": "One or more records have been rejected"}
        if self.busy.get(record["key"]):
            self.busy[record["key"]] -= 1
            return {**failed, "error_code": 2, "error": "This server is not the leader for that topic-partition."}
        self.taken.append(record)
        return {"partition": 0, "offset": len(self.taken) - 1, "error_code": None, "error": None}


class SecOps(Imitation):
    """Google SecOps, importing entities, and Google's endpoint for tokens.

    Attributes:
        refuse: texts; entities that hold one are not valid.
        may_import: whether the account has the permission.
    """

    account = "connector@my-project.iam.gserviceaccount.com"
    _key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private_key = _key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    refresh_token = "google-refresh-0000"
    client_secret = "google-secret-0000"
    instance = "00000000-0000-0000-0000-000000000000"
    path = f"/v1/projects/my-project/locations/eu/instances/{instance}/entities:import"
    log_type = "VIRUSTOTAL_IOC_STREAM"

    def __init__(self):
        super().__init__()
        self.refuse = ()
        self.may_import = True
        self.given = []

    def answer(self, request, body):  # noqa: PLR0911 -- likewise
        if request.path == "/token":
            return self._token({name: values[0] for name, values in parse_qs(body.decode()).items()})
        if not self.given or request.headers.get("Authorization") != f"Bearer {self.given[-1]}":
            return _google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.path != self.path:
            return _google(404, "NOT_FOUND", "Requested entity was not found.")
        if not self.may_import:
            return _google(403, "PERMISSION_DENIED", "Permission 'chronicle.entities.import' denied on resource")
        if (cued := self.cue()) is not None:
            return cued
        source = orjson.loads(body)["inlineSource"]
        if source["logType"] != self.log_type:
            return _google(400, "INVALID_ARGUMENT", f"log_type {source['logType']} is not valid")
        for entity in source["entities"]:
            about = entity["metadata"]
            is_valid = about["entity_type"] and about["collected_timestamp"] and entity["entity"]
            if not is_valid or any(each in orjson.dumps(entity).decode() for each in self.refuse):
                return _google(400, "INVALID_ARGUMENT", "generic::invalid_argument: entity is not valid")
        self.taken += source["entities"]
        return json_answer(200, {})

    def _token(self, asked):
        if asked.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self._given(self._fault(asked["assertion"]))
        wanted = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token,
            "client_secret": self.client_secret,
        }
        return self._given("Bad Request" if any(asked.get(name) != value for name, value in wanted.items()) else None)

    def _fault(self, assertion):
        """What is wrong with what a service account has signed (RFC 7515, by hand)."""
        parts = assertion.split(".")
        header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        try:
            signed = ".".join(parts[:2]).encode()
            self._key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return "Invalid JWT Signature."
        said = orjson.loads(claims)
        is_known = said["iss"] == self.account and said["aud"].endswith("/token") and "sub" not in said
        is_new = said["iat"] <= time.time() + 1 < said["exp"] <= said["iat"] + 3600
        is_scoped = said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        return None if is_known and is_new and is_scoped and orjson.loads(header)["alg"] == "RS256" else "Invalid JWT"

    def _given(self, fault):
        if fault is not None:
            return json_answer(400, {"error": "invalid_grant", "error_description": fault})
        self.given.append(f"ya29.token-{len(self.given)}")
        return json_answer(200, {"access_token": self.given[-1], "expires_in": 3599, "token_type": "Bearer"})


def _google(status, code, message):
    return json_answer(status, {"error": {"code": status, "message": message, "status": code}})
