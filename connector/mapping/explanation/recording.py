"""One rendering with every value in it written down, to be explained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from connector.mapping.compilation.location import Location
from connector.mapping.compiled import TOO_DEEP, TracedMapping
from connector.mapping.language.budget import BudgetError, Budgeting
from connector.mapping.language.guarding import Guard
from connector.mapping.rendering.program import scope_of
from connector.model import NOT_CLAIMED, Document, Json, JsonObject, Refused
from connector.ports import Format
from connector.settings.yamldoc import YamlDocument, YamlPath


@dataclass(slots=True)
class Recording:
    """What happened while a mapping rendered a notification.

    Attributes:
        scope: the names, as far as they were reached.
        documents: all that were made before it ended.
        values: what the expressions at each place of the mapping gave, one after the other.
        wanted: whether the notification is for this mapping.
        refusal: why it ended early; None when it did not.
        withdrawal: how the documents would be taken back; None when the mapping does not say, or they were not made.
    """

    scope: dict[str, Json]
    documents: list[Document] = field(default_factory=list)
    values: dict[YamlPath, list[Json]] = field(default_factory=dict)
    wanted: bool = True
    refusal: Refused | None = None
    withdrawal: "Recording | None" = None


class Recorder(TracedMapping):
    """Renders as its mapping does, and writes down what every expression gave. For one thread.

    What a format would refuse is recorded too, and all that comes after it.
    """

    def __init__(self, document: YamlDocument, output: Format, guard: Guard | None = None) -> None:
        self._recording = Recording({})
        super().__init__(document, output, guard, check=False)

    def record(self, view: JsonObject) -> Recording:
        """Render one notification's view, as far as that goes."""
        program, recording = self.program, Recording(scope_of(view, self.program.names))
        with Budgeting():
            with self._recorded_in(recording):
                recording.wanted = program.run_in(recording.scope, recording.documents)
                if recording.wanted:
                    program.claims(recording.scope)
            if program.withdraw is not None and recording.wanted and recording.refusal is None:
                withdrawal = recording.withdrawal = Recording(dict(recording.scope))
                with self._recorded_in(withdrawal):
                    program.withdraw_in(withdrawal.scope, withdrawal.documents, NOT_CLAIMED)
                with self._recorded_in(Recording({})):  # of which nothing is shown but that it has a value
                    program.withdraw_in(dict(recording.scope), [], NOT_CLAIMED._replace(of="match"))
        return recording

    @contextmanager
    def _recorded_in(self, recording: Recording) -> Iterator[None]:
        self._recording = recording
        try:
            yield
        except RecursionError:
            recording.refusal = Refused(TOO_DEEP, by="mapping")
        except BudgetError as error:
            recording.refusal = Refused(f"{self.name}: {error}", by="mapping")
        except Refused as refusal:
            recording.refusal = refusal

    def _note(self, location: Location, found: Json) -> None:
        super()._note(location, found)
        self._recording.values.setdefault(location.path, []).append(found)
