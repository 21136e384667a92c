"""What `connector.ports.Journal` promises of the hosts that malware configurations name."""

from contextlib import closing

import pytest

from connector import notification
from connector.contract.journal.store import OnStore
from connector.model import Advance, Ahead, LookUp, Page, Redelivery, Subject

START = 1_760_000_000


def attributes(verdict, hosts):
    connections = [{"host": host} for host in hosts]
    config = {"families": [{"family": "sedge", "configs": [{"net_info": {"connections": connections}}]}]}
    return {"gti_assessment": {"verdict": {"value": verdict}}, "malware_config": config}


def match(number, kind, identifier, *hosts, verdict="VERDICT_MALICIOUS"):
    said = {"notification_id": str(number), "notification_date": START + number}
    return {"type": kind, "id": identifier, "attributes": attributes(verdict, hosts), "context_attributes": said}


def file(number, name, *hosts):
    return match(number, "file", name * 64, *hosts)


def store(journal, *bodies):
    journal.append("vt", Page([notification.read(body) for body in bodies], None, looks_up=Ahead(3600)))
    return journal.latest(["vt"], 100)


def naming(journal, seqs, limit=10, sources=("vt",), until=1_000):
    found = journal.naming_alike(seqs, sources, limit, until)
    return [each.notification.id for each in reversed(journal.entries(sorted(found)))]


def learn(journal, kind, identifier, known):
    journal.learn(
        "vt", LookUp(Subject(kind, identifier), "known", START, START + 9_000_000, known, repr(known).encode())
    )


def delivered(journal):
    entries = journal.pending("out", ["vt"], 100)
    journal.advance("out", ["vt"], Advance(entries[-1].seq, len(entries), 0, 0, learned=entries[0].learned))


def outdated(journal):
    found = journal.outdated("out", ["vt"], 100)
    if found is None:
        return []
    delivered_again = [each.notification.id for each in found.entries]
    journal.record_redelivery("out", Redelivery([each.seq for each in found.entries], 0, 0, 0, mark=found.mark))
    return delivered_again


class NamedHostsContract(OnStore):
    """What is kept of hosts; derive from it, and say on which store (`make_store`)."""

    @pytest.fixture
    def journal(self, tmp_path):
        opened = self.make_store(tmp_path).open()
        with closing(opened), opened.lease("vt"), opened.lease("out"):
            yield opened

    def test_entries_about_other_files_are_found_by_a_host_however_it_is_spelled(self, journal):
        store(
            journal,
            file(1, "a", "C2.example", "192.0.2.7:443"),
            file(2, "b", "c2.example."),
            file(3, "c", "http://192.0.2.7/gate"),
            file(4, "d", "else.example"),
            file(5, "a", "c2.example"),
            file(6, "e", "192.0.2.7:443/gate", "192.0.2.0/24"),
        )
        assert naming(journal, [1]) == ["6", "3", "2"]
        assert naming(journal, [2]) == ["5"]  # of one file the newest
        assert naming(journal, [2], until=4) == ["1"]
        assert naming(journal, [1], limit=1) == ["6", "2"]  # of each host
        assert naming(journal, [4]) == []
        assert naming(journal, [4, 2]) == ["5", "2"]  # about something else than 4
        assert naming(journal, [1], sources=["other"]) == []

    def test_earlier_entries_about_a_file_that_name_more_are_found(self, journal):
        store(
            journal, file(1, "a", "c2.example"), file(2, "a", "more.example"), file(3, "a", "c2.example"), file(4, "a")
        )
        assert [each.notification.id for each in journal.named_before(3, ["vt"], 10)] == ["2"]
        assert [each.notification.id for each in journal.named_before(4, ["vt"], 10)] == ["3", "2", "1"]
        assert [each.notification.id for each in journal.named_before(4, ["vt"], 1)] == ["3", "2"]

    def test_what_a_look_up_tells_of_the_configuration_of_a_file_names_hosts_too(self, journal):
        store(journal, file(1, "a"), file(2, "b", "c2.example"))
        learn(journal, "file", "a" * 64, attributes("VERDICT_MALICIOUS", ["c2.example"]))
        assert naming(journal, [2]) == ["1"]

    def test_entries_are_outdated_when_something_else_is_said_of_a_host_that_they_name(self, journal):
        store(journal, file(1, "a", "c2.example"), file(2, "b", "else.example"))
        delivered(journal)
        store(journal, match(3, "domain", "C2.example", verdict="VERDICT_BENIGN"))
        delivered(journal)
        assert outdated(journal) == ["1"]
        store(journal, match(4, "domain", "c2.example", verdict="VERDICT_BENIGN"))
        delivered(journal)
        assert outdated(journal) == []
        learn(journal, "domain", "c2.example", {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}})
        assert "1" in outdated(journal)
