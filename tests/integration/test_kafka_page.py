"""docs/kafka.md is true: its configurations can be loaded."""

import re
from pathlib import Path

import pytest

from connector import configuration
from connector.mapping import examples, files
from connector.operations import check

PAGE = (Path(__file__).parents[2] / "docs" / "kafka.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_configuration_of_the_page_is_in_order(tmp_path, monkeypatch, text):
    monkeypatch.setenv("KAFKA_PASSWORD", "kafka-password-0000")
    monkeypatch.setenv("VT_API_KEY", "key-0000")
    if "sources:" not in text:
        text = f"sources:\n  file: {{type: file, path: '-'}}\n{text}"
    path = tmp_path / "iocstream.yaml"
    path.write_text(text)
    plan = configuration.load(path)
    folder = files.bundled_mappings()["cef"].parent
    available = examples.read(folder, folder)
    for name, compiled in plan.mappings.items():
        findings = list(check.try_mapping(name, compiled, available))
        assert [finding.level for finding in findings] == ["ok"]


def test_the_page_has_the_sink_and_the_source():
    assert len(EXAMPLES) == 3
