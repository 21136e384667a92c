"""What the formats of events share: an event rests on nothing, has no identity, and carries what its mapping says."""

from collections.abc import Callable, Sequence
from types import MappingProxyType

from connector.model import Document, Identity, JsonObject
from connector.values.shapes import Members


class EventFormat:
    """All of `connector.ports.Format` but `quote` and `encode`, which finds all faults as it writes."""

    names: JsonObject = MappingProxyType({})

    def shared_documents(self) -> Sequence[Document]:
        """None: an event rests on nothing."""
        return ()

    def finalizer(
        self,
        shape: Members | None,  # noqa: ARG002 -- the port's signature
        *,
        check: bool = True,  # noqa: ARG002 -- as above
    ) -> Callable[[Document], Document]:
        """One that leaves documents as they are."""
        return lambda document: document

    def finalized_shape(self, shape: Members) -> Members:
        """The same."""
        return shape

    def identify(self, document: Document) -> Identity | None:  # noqa: ARG002 -- the port's signature
        """None: an event is new each time."""
        return None
