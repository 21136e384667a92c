"""Run by an interpreter that has py-ocsf-models: what it has against the findings on standard input, one line each."""

import sys

from py_ocsf_models.events.findings.detection_finding import DetectionFinding
from pydantic import ValidationError

for line in sys.stdin.buffer:
    try:
        DetectionFinding.model_validate_json(line, strict=True)
    except ValidationError as error:
        for one in error.errors():
            print(".".join(map(str, one["loc"])), one["msg"])
