"""Provisional documents when a route is set back: what an earlier entry said more of goes out as that entry said it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from connector.model import Provisional, Version
from connector.pipeline.convert import Rendered
from connector.pipeline.pieces import pieces
from connector.pipeline.render import render
from connector.pipeline.route import Route
from connector.pipeline.versions import says_otherwise
from connector.ports import ObjectFormat, Outbox


class FullerVersions:
    """The versions that stand in the place of provisional documents, by the entries that began them."""

    def __init__(self) -> None:
        self._ids: dict[int, set[str]] = defaultdict(set)

    def note(self, rendered: Iterable[Rendered], known: Mapping[str, Sequence[Version]]) -> None:
        """Note each provisional document of which the version that is in force says something else."""
        for each in rendered:
            if each.output is None or not isinstance(each.output, ObjectFormat):
                continue
            output: ObjectFormat = each.output
            for document in each.documents:
                if not isinstance(document, Provisional):
                    continue
                object_id = output.identify(document).id
                version = says_otherwise(document, known.get(object_id, ()), each.entry.seq)
                if version is not None:
                    self._ids[version.seq].add(object_id)

    def rendered(self, route: Route, journal: Outbox, positions: Mapping[str, int]) -> Iterator[Sequence[Rendered]]:
        """What those of these entries say of the objects that a route at these positions does not come to again."""
        seqs = sorted(self._ids)
        for read in pieces(journal, seqs, route.batch):
            entries = [entry for entry in read if entry.seq <= positions.get(entry.source, 0)]
            if entries:
                yield [self._chosen(each) for each in render(route, journal, entries, "again")]

    def _chosen(self, rendered: Rendered) -> Rendered:
        if rendered.output is None or not isinstance(rendered.output, ObjectFormat):
            return rendered
        output: ObjectFormat = rendered.output
        ids = self._ids[rendered.entry.seq]
        chosen = [each for each in rendered.documents if output.identify(each).id in ids]
        return replace(rendered, documents=chosen, claim=None, guarded=())
