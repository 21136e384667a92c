"""The TAXII servers of `peers.taxii` as fixtures. Name this module in `pytest_plugins` to have them."""

import pytest
from missing_software import or_skip
from peers import taxii

MORE = ("withdrawals", "main job", "examples", "examples for opencti")
"""Collections of tests that store much: medallion looks through all of a collection for each object and answer."""


@pytest.fixture(scope="session")
def medallion(tmp_path_factory):
    with or_skip(), taxii.medallion(tmp_path_factory.mktemp("medallion"), MORE) as peer:
        yield peer


@pytest.fixture(scope="session")
def opentaxii(tmp_path_factory):
    with or_skip(), taxii.opentaxii(tmp_path_factory.mktemp("opentaxii"), more=MORE) as peer:
        yield peer


@pytest.fixture(scope="session")
def opentaxii_09(tmp_path_factory):
    """The one that answers 500 to objects that it has stored."""
    with or_skip(), taxii.opentaxii(tmp_path_factory.mktemp("opentaxii09"), "opentaxii-0.9") as peer:
        yield peer
