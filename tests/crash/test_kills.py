"""The short forms of prove/kills.py and prove/receivers.py: SIGKILL during fetching and delivery, whatever the sink."""

import pytest
from missing_software import or_skip

from prove import receivers
from prove.kills import Bench

pytestmark = [pytest.mark.xdist_group("proof"), pytest.mark.timeout(300)]


def test_nothing_is_lost_however_often_it_is_killed_and_a_defect_would_be_noticed(tmp_path):
    with or_skip(), Bench(tmp_path) as bench:
        tally = bench.campaign(12, 7, {})
        assert tally.kills == 12
        assert tally.complaints == []
        assert tally.not_stored == 0
        assert tally.lost == dict.fromkeys(("taxii", "bundle", "events", "relp", "tcp"), 0)
        assert tally.alien == dict.fromkeys(tally.lost, 0)
        assert tally.sweep.found == []
        defect = bench.campaign(8, 8, {"advance_before_send": 1})
        assert defect.complaints == []
        assert sum(defect.lost.values()) > 0


def test_receivers_over_http_and_kafka_lose_nothing_either(tmp_path):
    with or_skip(), receivers.Bench(tmp_path) as bench:
        tally = bench.campaign(6, 7, {})
        assert tally.kills == 6
        assert tally.complaints == []
        assert tally.not_stored == 0
        assert tally.lost == dict.fromkeys(("hec", "bulk", "kafka"), 0)
        assert tally.alien == dict.fromkeys(tally.lost, 0)
        assert tally.sweep.found == []
        defect = bench.campaign(4, 8, {"accepted_is_delivered": 1})
        assert defect.complaints == []
        assert defect.lost["hec"] > 0
