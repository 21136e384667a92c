"""How one notification became its output: here for machines, as JSON; `tree` and `page` are for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector import notification
from connector.mapping import CompiledMapping, Guarding
from connector.mapping.compilation.checking import NOTIFICATION_SCOPE
from connector.mapping.explanation import Evaluation, ExplainedValue, Explainer, Explanation, ScopePath
from connector.model import Json, Notification, Refused
from connector.pipeline.convert import Conversion, convert
from connector.pipeline.route import guarded_view
from connector.ports import Guards, ObjectFormat
from connector.settings.yamldoc import dotted

MAX_DEPTH = 60
"""How many levels of a notification can be shown."""


@dataclass(frozen=True, slots=True)
class ExplainedConversion:
    """An explanation, with what would be sent.

    Attributes:
        mapping: what the mapping is called.
        overlays: what is laid over it, the profile first.
        format_name: what its format is called.
        sent: the documents that would be sent, each in its own bytes, as text.
        refused: who refused the notification, or held it back, and why, if anyone did: `format: …`; else empty.
    """

    mapping: str
    overlays: Sequence[str]
    format_name: str
    notification_id: str
    explanation: Explanation
    sent: Sequence[str]
    refused: str


def explain(mapping: CompiledMapping, item: Notification, guards: Guards | None = None) -> ExplainedConversion:
    """Convert one notification, and explain it.

    Args:
        mapping: what is explained.
        item: what it makes something of.
        guards: what is known to be good; None: what the mapping itself has.

    Raises:
        Refused: it cannot be mapped at all, or is nested too deeply to be shown.
    """
    view = notification.view(item)
    if _too_deep(view):
        raise Refused(f"it is nested more than {MAX_DEPTH} levels deep", by="notification")
    if guards is not None:
        view = guarded_view(view, guards)
    [conversion] = convert([item], mapping, guards=guards)
    by, why = _not_sent(conversion)
    objects = mapping.format if isinstance(mapping.format, ObjectFormat) else None
    shared_documents = {each["id"] for each in objects.shared_documents()} if objects else set()
    with Guarding(None if guards is None else guards.derived):
        explanation = Explainer(mapping).explain(view)
    return ExplainedConversion(
        mapping.name,
        mapping.document.overlays,
        mapping.format_name,
        item.id,
        explanation,
        [each.body.decode() for each in conversion.messages if each.id not in shared_documents],
        f"{by}: {why}" if by else "",
    )


def _not_sent(conversion: Conversion) -> tuple[str, str]:
    """Who does not let it out, and why; empty: nobody."""
    if conversion.withheld is not None:
        return conversion.withheld.by, conversion.withheld.reason
    return ("", "") if conversion.refusal is None else (conversion.refusal.by, str(conversion.refusal))


def as_json(explained: ExplainedConversion) -> dict[str, Any]:
    """The explanation for machines; paths as an expression would write them."""
    explanation = explained.explanation
    return {
        "mapping": explained.mapping,
        "overlays": list(explained.overlays),
        "format": explained.format_name,
        "notification": explained.notification_id,
        "wanted": explanation.wanted,
        "refused": explained.refused or None,
        "input": explanation.view,
        "match": _evaluation(explanation.match) if explanation.match else None,
        "let": [_part(part) for part in explanation.names],
        "claim": _evaluation(explanation.claim) if explanation.claim else None,
        "emit": [_part(part) for part in explanation.emitted],
        "withdraw": [_part(part) for part in explanation.withdrawn],
        "sent": explained.sent,
    }


def sources(evaluation: Evaluation) -> Mapping[ScopePath, Json]:
    """What an expression read; for each name of `let` that it read, also what in the notification that came from."""
    names = {path: value for path, value in evaluation.reads.items() if path[0] not in NOTIFICATION_SCOPE}
    return {**names, **evaluation.inputs}


def _part(part: ExplainedValue) -> dict[str, Json]:
    made: dict[str, Json] = {"key": part.key, "path": dotted(part.path), "place": part.place or None}
    if part.left_out:
        made["left_out"] = part.left_out
    elif not part.parts:
        made["value"] = part.value
    if part.by_format:
        made["by_format"] = True
    made["evaluations"] = [_evaluation(each) for each in part.evaluations]
    made["parts"] = [_part(each) for each in part.parts]
    return made


def _evaluation(evaluation: Evaluation) -> dict[str, Json]:
    return {
        "expression": evaluation.expression,
        "place": evaluation.place,
        "role": evaluation.role,
        "value": evaluation.value,
        "reads": _reads(evaluation.reads),
        "inputs": _reads(evaluation.inputs),
    }


def _reads(reads: Mapping[ScopePath, Json]) -> list[dict[str, Json]]:
    return [{"path": dotted(path), "value": value} for path, value in reads.items()]


def _too_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True
