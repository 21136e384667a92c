"""What `Format` of `connector.ports` promises, and `Finalizing` and `ObjectFormat` of the formats that have them."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.contract.examples import examples
from connector.model import Document, Refused
from connector.pipeline.versions import Ledger
from connector.ports import Finalizing, Format, ObjectFormat


def finalized(output: Format, document: Document) -> Document:
    return output.finalizer(None)(document) if isinstance(output, Finalizing) else document


def stamped(output: Format, document: Document) -> Document:
    """As a mapping and the pipeline do it before they encode: finalize, identify, stamp."""
    completed = finalized(output, document)
    if not isinstance(output, ObjectFormat):
        return completed
    return Ledger({}).stamp(completed, output.identify(completed), 1, 1_700_000_000)


def encoded(output: Format, document: Document) -> bytes:
    return output.encode(stamped(output, document))


class FormatContract:
    """What every format must do; derive from it, and say how to `make` it and what its documents are."""

    def make(self) -> Format:
        """A new one."""
        raise NotImplementedError

    def document(self, text: str) -> Document:
        """A document as a mapping makes it, with some text in it."""
        raise NotImplementedError

    def broken(self) -> Document:
        """A document that the format must refuse."""
        raise NotImplementedError

    @pytest.fixture
    def output(self):
        return self.make()

    def test_the_shared_documents_are_the_same_each_time_and_valid_as_they_are(self, output):
        if not isinstance(output, ObjectFormat):
            pytest.skip("events rest on nothing")
        assert list(output.shared_documents()) == list(self.make().shared_documents())
        for document in output.shared_documents():
            identity = output.identify(document)
            assert (identity.id, identity.versioned, identity.dependency_level) == (document["id"], False, 0)
            assert output.encode(document) == self.make().encode(document)

    def test_completing_changes_nothing_that_was_there_and_doing_it_again_changes_nothing(self, output):
        document = self.document("text")
        before = copy.deepcopy(document)
        completed = finalized(output, document)
        assert completed.items() >= before.items()
        assert finalized(output, completed) == completed

    def test_a_document_has_the_same_identity_in_every_process(self, output):
        if not isinstance(output, ObjectFormat):
            pytest.skip("events have no identity")
        document, other = self.document("text"), self.make()
        assert output.identify(finalized(output, document)) == other.identify(finalized(other, document))

    def test_encoding_is_repeatable_and_leaves_the_document_as_it_was(self, output):
        completed = stamped(output, self.document("text"))
        before = copy.deepcopy(completed)
        assert output.encode(completed) == output.encode(completed)
        assert completed == before

    @given(text=st.text(st.characters(exclude_categories=[])))
    @examples(100)
    def test_any_text_becomes_one_line_of_utf_8(self, text):
        line = encoded(self.make(), self.document(text)).decode("utf-8")
        assert "\n" not in line
        assert "\r" not in line

    def test_what_breaks_a_rule_is_rejected_in_one_sentence(self, output):
        with pytest.raises(Refused) as caught:
            encoded(output, self.broken())
        assert caught.value.by == "format"
        assert len(str(caught.value).splitlines()) == 1

    @pytest.mark.parametrize(("value", "text"), [("text", "text"), (5, "5"), (1.5, "1.5"), (True, "true")])
    def test_a_value_inside_text_is_written_plainly(self, output, value, text):
        assert output.quote("name", value) == text

    @pytest.mark.parametrize("value", [[1], {"a": 1}, float("inf")])
    def test_what_is_no_text_cannot_stand_inside_text(self, output, value):
        with pytest.raises(Refused):
            output.quote("name", value)
