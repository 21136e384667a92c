"""`mappings/json.yaml`: the notification as mappings see it."""

import orjson
import pytest
from mapping_examples import CASES, MAPPINGS, conversion, expected

from connector.formats.json import JsonFormat
from connector.mapping import load

MAPPING = load(MAPPINGS / "json.yaml", {"json": JsonFormat()}, "json.yaml")


@pytest.mark.parametrize("case", CASES)
def test_an_example_becomes_what_its_file_says(case):
    result = conversion(MAPPING, case)
    assert result.rejected is None
    text = b"".join(message.body + b"\n" for message in result.messages)
    assert expected(f"json/{case}.jsonl", text) == text


def test_every_expected_output_has_its_input():
    assert sorted(path.stem for path in (MAPPINGS / "examples" / "json").iterdir()) == CASES


def test_nothing_that_virustotal_said_is_lost():
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_hunting.json").read_bytes())
    line = orjson.loads(conversion(MAPPING, "file_hunting").messages[0].body)
    assert line["notification"]["hunting_info"] == body["context_attributes"]["hunting_info"]
    assert line["entity"].keys() == body["attributes"].keys()
