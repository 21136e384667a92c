"""Cortex XSOAR: a pack with commands, a feed of indicators, and incidents with type, fields, layout and playbook.

`integrations` are the two that it has; `incidents` is what an incident is on the platform; `playbook` runs on each.
"""

import base64

from connector.packages.package import Package, zipped
from connector.packages.rendering import (
    PUBLISHER,
    SUMMARY,
    TITLE,
    client,
    json_bytes,
    picture,
    readme,
    template,
    yaml_bytes,
)
from connector.packages.xsoar import incidents
from connector.packages.xsoar.integrations import CATEGORY, FEED, INTEGRATION, MINIMUM, feed, integration
from connector.packages.xsoar.playbook import playbook
from connector.version import VERSION

__all__ = ["MINIMUM", "package"]

_PACK = f"Packs/{INTEGRATION}"
_IMPORT = b"import demistomock as demisto\n\n"
_FIXTURES = b"# notifications\n"
"""Where the unit tests of an integration have the notifications that they are about."""


def package() -> Package:
    """The pack as in Cortex's content repository; each integration as one file to upload, the pack as an archive."""
    readme_bytes, picture_bytes = readme("xsoar/README.md"), picture(120, 50)
    pack = {
        "pack_metadata.json": json_bytes(_metadata()),
        "README.md": readme_bytes,
        ".pack-ignore": b"",
        ".secrets-ignore": b"",
        "IncidentTypes/incidenttype-IoC-Stream_Match.json": json_bytes(incidents.incident_type()),
        "Layouts/layoutscontainer-IoC-Stream_Match.json": json_bytes(incidents.layout()),
        "Classifiers/classifier-IoC-Stream.json": json_bytes(incidents.classifier()),
        "Classifiers/classifier-mapper-incoming-IoC-Stream.json": json_bytes(incidents.mapper()),
        f"Playbooks/playbook-{incidents.PLAYBOOK.replace(' ', '_')}.yml": yaml_bytes(playbook()),
    }
    for field in incidents.fields():
        pack[f"IncidentFields/incidentfield-{field['name'].replace(' ', '_')}.json"] = json_bytes(field)
    uploads = {}
    description = f"{SUMMARY}\n\nMake a token with `iocstream token new xsoar --scope act` on the connector's host.\n"
    for name, described in ((INTEGRATION, integration), (FEED, feed)):
        code = b"\n\n".join((client(), template("xsoar/indicators.py"), template(f"xsoar/{name}.py")))
        tests = template(f"xsoar/{name}_test.py").replace(
            _FIXTURES, template("xsoar/notifications_for_tests.py").split(b"\n\n", 1)[1]
        )
        folder = f"Integrations/{name}"
        pack |= {
            f"{folder}/{name}.yml": yaml_bytes(described("-")),
            f"{folder}/{name}.py": _IMPORT + code,
            f"{folder}/{name}_test.py": tests,
            f"{folder}/{name}_description.md": description.encode(),
            f"{folder}/{name}_image.png": picture_bytes,
            f"{folder}/README.md": readme_bytes,
        }
        image = "data:image/png;base64," + base64.b64encode(picture_bytes).decode()
        unified = described(code.decode()) | {"image": image, "detaileddescription": description}
        uploads[f"integration-{name}.yml"] = yaml_bytes(unified)
    pack = {f"{_PACK}/{name}": content for name, content in pack.items()}
    return Package({**pack, **uploads}, {f"{INTEGRATION}.zip": zipped(pack)})


def _metadata() -> dict[str, object]:
    return {
        "name": TITLE,
        "description": SUMMARY,
        "support": "community",
        "currentVersion": VERSION,
        "author": PUBLISHER,
        "url": "",
        "email": "",
        "categories": [CATEGORY],
        "tags": ["TIM"],
        "useCases": [],
        "keywords": ["VirusTotal", "Google Threat Intelligence", "IoC Stream"],
        "marketplaces": ["xsoar", "marketplacev2"],
        "dependencies": {},
    }
