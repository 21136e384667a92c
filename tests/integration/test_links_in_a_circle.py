"""A path that is a link to itself: told by `check`, and nothing that waiting would mend."""

import json

import pytest
from integration.command import iocstream_here

CONFIGURATION = """
sources: {{files: {{type: file, path: in.jsonl}}}}
journal: {{path: {journal}}}
routes: {{out: {{mapping: raw, sink: {{type: file, path: {out}}}}}}}
"""


@pytest.mark.parametrize(("journal", "out"), [("loop", "out"), ("j.db", "loop")])
def test_a_path_that_is_a_link_to_itself_is_refused_at_once(journal, out, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "in.jsonl").write_text(
        json.dumps(
            {
                "id": "a.example",
                "type": "domain",
                "attributes": {},
                "context_attributes": {"notification_id": "1", "notification_date": 1_700_000_000},
            }
        )
        + "\n"
    )
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION.format(journal=journal, out=out))
    checked = iocstream_here("check", cwd=tmp_path)
    assert checked.returncode == 1, checked.stdout
    assert "symbolic links" in checked.stdout + checked.stderr
    ran = iocstream_here("run", "--once", cwd=tmp_path)
    assert ran.returncode in {1, 2}, ran.stderr
    assert "symbolic links" in ran.stdout + ran.stderr
    assert "waiting" not in ran.stderr
