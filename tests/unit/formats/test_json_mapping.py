"""`mappings/json.yaml`: the notification as mappings see it."""

import orjson
import pytest
from mapping_examples import CASES, MAPPINGS, conversion

from connector.formats.json import JsonFormat
from connector.mapping import compile_mapping
from connector.settings import yamldoc

MAPPING = compile_mapping(yamldoc.load(MAPPINGS / "json.yaml", "json.yaml"), {"json": JsonFormat()})


@pytest.mark.parametrize("case", CASES)
def test_every_example_becomes_a_line(case):
    result = conversion(MAPPING, case)
    assert result.refusal is None
    assert len(result.messages) == 1


def test_nothing_that_virustotal_said_is_lost():
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_hunting.json").read_bytes())
    line = orjson.loads(conversion(MAPPING, "file_hunting").messages[0].body)
    assert line["notification"]["hunting_info"] == body["context_attributes"]["hunting_info"]
    assert line["entity"].keys() == body["attributes"].keys()
