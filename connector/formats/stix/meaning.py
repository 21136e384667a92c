"""For what a new version of an Indicator is sent: all that it says, but prose, and numbers that jitter."""

from connector.formats.stix.shared_objects import EXTENSION_ID
from connector.model import Document, Json
from connector.values import news

_OPENCTI_ID = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"


def meaning(document: Document) -> bytes:
    """As `connector.ports.ObjectFormat.meaning`: of an Indicator with a STIX pattern; empty for what is none.

    Of its numbers that is the confidence, and in extensions the threat score, the engines that call it malicious and
    OpenCTI's score. Of other engines, and of how sure a sandbox is, nothing. Nor of the name of a file, which is what
    its submitters call it: of another Indicator, a name may be that of a rule or an actor. Nor of the id by which
    VirusTotal shows a URL: notifications have its digest or its address.
    """
    if document["type"] != "indicator" or document.get("pattern_type") != "stix":
        return b""
    # What is compared as a number is taken out, and what says in words what the types and the labels say as well.
    said = document.copy()
    for prose in ("description", "valid_from", "valid_until"):
        said.pop(prose, None)
    pattern = str(said.get("pattern"))
    if pattern.startswith("[file:"):
        said.pop("name", None)
    elif pattern.startswith("[url:"):
        said.pop("external_references", None)
    confidence = said.pop("confidence", None)
    extensions = said.get("extensions")
    if not isinstance(extensions, dict):
        return news.meaning(said, percents=(confidence, None, None))
    own, opencti = _copy(extensions.get(EXTENSION_ID)), _copy(extensions.get(_OPENCTI_ID))
    score, opencti_score = own.pop("threat_score", None), opencti.pop("score", None)
    detections = own.pop("detections", None)
    engines = detections.get("malicious") if isinstance(detections, dict) else None
    if "sandbox_verdicts" in own:
        own["sandbox_verdicts"] = _sandboxes(own["sandbox_verdicts"])
    said["extensions"] = {**extensions, EXTENSION_ID: own, _OPENCTI_ID: opencti}
    return news.meaning(said, engines=engines, percents=(confidence, score, opencti_score))


def _copy(value: Json) -> dict[str, Json]:
    return value.copy() if isinstance(value, dict) else {}


def _sandboxes(told: Json) -> Json:
    """Without how sure they are."""
    if not isinstance(told, list):
        return told
    return [{**each, "confidence": None} if isinstance(each, dict) else each for each in told]
