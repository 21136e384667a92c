"""The syslog servers of `peers.syslog` as fixtures. Name this module in `pytest_plugins` to have them."""

import certificates as certificate_files
import pytest
from missing_software import or_skip
from peers import syslog


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return certificate_files.make(tmp_path_factory.mktemp("syslog_certificates"))


@pytest.fixture(scope="module")
def rsyslog(tmp_path_factory, certificates):
    with or_skip(), syslog.running(syslog.rsyslog(tmp_path_factory.mktemp("rsyslog"), certificates)) as server:
        yield server


@pytest.fixture
def own_rsyslog(tmp_path, certificates):
    """An rsyslog of this test's own, which it may stop and start."""
    with or_skip(), syslog.running(syslog.rsyslog(tmp_path, certificates)) as server:
        yield server


@pytest.fixture
def gnutls_rsyslog(tmp_path, certificates):
    """An rsyslog whose RELP uses GnuTLS: Debian's default, which closes refused connections without a message."""
    with or_skip(), syslog.running(syslog.rsyslog(tmp_path, certificates, "gnutls")) as server:
        yield server


@pytest.fixture(scope="module")
def syslog_ng(tmp_path_factory, certificates):
    with or_skip(), syslog.running(syslog.syslog_ng(tmp_path_factory.mktemp("syslog_ng"), certificates)) as server:
        yield server
