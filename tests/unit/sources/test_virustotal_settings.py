"""The options of a VirusTotal source."""

import pytest

from connector.model import Misconfigured
from connector.settings.config import load
from connector.sources.virustotal.source import VirusTotalSettings


@pytest.fixture
def written(tmp_path):
    def write(*lines: str):
        path = tmp_path / "source.yaml"
        path.write_text("\n".join(("type: virustotal", "api_key: k", *lines)))
        return path

    return write


@pytest.mark.parametrize("name", ["look_ups_per_day", "lookups_per_day"])
def test_look_ups_per_day_is_read_in_its_former_spelling_too(written, name):
    assert load(written(f"{name}: 3"), VirusTotalSettings).look_ups_per_day == 3
    with pytest.raises(Misconfigured, match=r"source\.yaml:3:\d+.*must be at least 0"):
        load(written(f"{name}: -1"), VirusTotalSettings)


def test_look_ups_per_day_is_not_given_twice(written):
    with pytest.raises(Misconfigured, match="lookups_per_day"):
        load(written("look_ups_per_day: 3", "lookups_per_day: 4"), VirusTotalSettings)
