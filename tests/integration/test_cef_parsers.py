"""Other people's CEF parsers read out of every event, however odd, what was put in."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from mapping_examples import CASES, MAPPINGS

from connector import notification
from connector.configuration import load_mapping
from connector.formats.cef.dictionary import DICTIONARY, HEADER_LENGTHS, IDENTIFYING, LABELS, Kind
from connector.formats.cef.format import SEVERITY_WORDS, CefFormat
from connector.settings.producer import Producer
from connector.values.display import DECEPTIVE

odd_characters = st.sampled_from('\\\\\\==||""\'  \t\r\n\x00\x1b\x85\u2028\ufeff\u00a0\ud800\u202e%#,:;[]{}/éϲ😀ab=1')
odd_text = st.one_of(
    st.text(odd_characters, max_size=60), st.text(max_size=60), st.text(st.characters(), max_size=2000)
)
header_text = st.tuples(st.text(odd_characters, max_size=4), st.sampled_from("abc1"), odd_text).map("".join)


of_kind = {
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Kind.IPV4: st.ip_addresses(v=4).map(str),
    Kind.IPV6: st.ip_addresses(v=6).map(str),
    Kind.MAC: st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":")),
    Kind.TIMESTAMP: st.integers(0, 253_402_300_799_999),
    Kind.STRING: odd_text,
}


def values_of(key):
    entry = DICTIONARY[key]
    if entry.kind not in (Kind.INTEGER, Kind.LONG):
        return of_kind[entry.kind]
    if entry.highest is not None:
        return st.integers(entry.lowest, entry.highest)
    bits = 31 if entry.kind is Kind.INTEGER else 63
    return st.integers(-(2**bits), 2**bits - 1)


@st.composite
def documents(draw):
    keys = draw(st.lists(st.sampled_from([key for key in DICTIONARY if key not in LABELS.values()]), max_size=12))
    extension = {}
    for number, key in enumerate(dict.fromkeys(keys)):
        if key in LABELS and draw(st.booleans()):
            extension[LABELS[key]] = f"label{number}"
        extension[key] = draw(values_of(key))
        if key in LABELS:
            extension[LABELS[key]] = f"label{number}"
    if draw(st.booleans()):
        extension["VirusTotalIoCStreamNote"] = draw(odd_text)
    return {
        **{name: draw(header_text) for name in HEADER_LENGTHS},
        "severity": draw(st.one_of(st.integers(0, 10), st.sampled_from(sorted(SEVERITY_WORDS)))),
        "extension": extension,
    }


def meant(document):
    """What a parser should find, as texts: header and extension, escaped by this test's own code."""

    def clean(text):
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return re.sub(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{DECEPTIVE}]", " ", joined).strip()

    header = {
        name: re.sub(r"[|\\]", "/", clean(document[name])).replace('"', "'")[:limit].strip()
        for name, limit in HEADER_LENGTHS.items()
    }
    header["deviceEventClassId"] = re.sub("[=%#]", "_", header["deviceEventClassId"])
    extension = {}
    for key, said in document["extension"].items():
        value = ", ".join(said) if isinstance(said, list) else said
        limit = DICTIONARY[key].max_length if key in DICTIONARY else 4000
        if isinstance(value, str):
            pipe, quote = ("%7C", "%22") if key in ("request", "requestContext") else ("¦", "'")
            value = clean(value).replace("|", pipe).replace('"', quote)
            if limit and len(value) > limit:
                value = "" if key in IDENTIFYING else value[: limit - 1].rstrip() + "…"
        if value != "":
            extension[key] = str(value).lower() if isinstance(value, bool) else str(value)
    for key, label in LABELS.items():
        if key not in extension:
            extension.pop(label, None)
    return header, str(document["severity"]), extension


PROFILES = (None, *sorted(path.stem for path in (MAPPINGS / "profiles" / "cef").iterdir()))
load = functools.cache(functools.partial(load_mapping, "cef", Producer()))


def example(case, profile):
    """The document that `mappings/cef.yaml` makes of an example, with a profile or without."""
    compiled = load(profile)
    body = json.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_text())
    (document,) = compiled.render(notification.view(notification.read(body)))
    return document


def lines_of(batch):
    lines = [CefFormat().encode(document) for document in batch]
    for line in lines:
        assert len(line.decode("utf-8").splitlines()) == 1
    return lines


@pytest.fixture(scope="module")
def parse_cef():
    """Vector's own parser: a function from a line to what it finds."""
    try:
        import pyvrl
    except ImportError:
        if os.environ.get("CI") and sys.version_info < (3, 13):
            raise
        pytest.skip("pyVRL has no build for this Python")
    program = pyvrl.Transform(". = parse_cef!(.message)")
    return lambda line: program.remap({"message": line.decode()})


def check_vector(parse_cef, document):
    (line,) = lines_of([document])
    header, severity, extension = meant(document)
    assert parse_cef(line) == {"cefVersion": "0", **header, "severity": severity, **extension}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", CASES)
def test_vector_reads_an_example_as_meant(parse_cef, case, profile):
    check_vector(parse_cef, example(case, profile))


@examples(150)
@given(document=documents())
def test_vector_reads_any_event_as_meant(parse_cef, document):
    check_vector(parse_cef, document)


def jc_can_read(document):
    """jc takes the header for over at the first `=` and does not know that a backslash can be escaped."""
    header, _, extension = meant(document)
    return "=" not in "".join(header.values()) and "\\=" not in "".join(extension.values())


def check_jc(document):
    import jc

    (line,) = lines_of([document])
    header, severity, extension = meant(document)
    # As jc takes the line apart; what it then makes of escapes and numbers is its own.
    found = jc.parse("cef", line.decode(), raw=True, quiet=True)[0]
    assert {key: re.sub(r"\\(.)", r"\1", text) for key, text in found.items()} == {
        "CEFVersion": "0",
        **header,
        "agentSeverity": severity,
        **extension,
    }


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", sorted(set(CASES) - {"dirty_text"}))
def test_jc_reads_an_example_as_meant(case, profile):
    check_jc(example(case, profile))


@examples(150)
@given(document=documents().filter(jc_can_read))
def test_jc_reads_any_event_as_meant(document):
    check_jc(document)


@pytest.fixture(scope="module")
def lognormalizer(tmp_path_factory):
    """A function from lines to what liblognorm (rsyslog's parser) finds in each."""
    program = shutil.which("lognormalizer")
    if program is None:
        assert not os.environ.get("CI"), "CI installs liblognorm-utils"
        pytest.skip("needs lognormalizer, of Debian's package liblognorm-utils")
    rules = tmp_path_factory.mktemp("liblognorm") / "cef.rulebase"
    rules.write_text("version=2\nrule=:%f:cef%\n")

    def normalize(lines):
        # 2.0.6 loses the first letter of a key right after the last pipe; a blank there helps it.
        spaced = [re.sub(rb"^((?:[^|]*\|){7})", rb"\1 ", line) for line in lines]
        done = subprocess.run(
            [program, "-r", str(rules), "-e", "json"],
            input=b"\n".join(spaced) + b"\n",
            capture_output=True,
            check=True,
            timeout=60,
        )
        return [json.loads(text) for text in done.stdout.decode().splitlines()]

    return normalize


def check_liblognorm(lognormalizer, batch):
    for document, event in zip(batch, lognormalizer(lines_of(batch)), strict=True):
        header, severity, extension = meant(document)
        names = ("DeviceVendor", "DeviceProduct", "DeviceVersion", "SignatureID", "Name", "Severity")
        expected = dict(zip(names, (*header.values(), severity), strict=True))
        assert event == {"f": {**expected, "Extensions": extension}}


@pytest.mark.parametrize("profile", PROFILES)
def test_liblognorm_reads_the_examples_as_meant(lognormalizer, profile):
    check_liblognorm(lognormalizer, [example(case, profile) for case in CASES])


@examples(30)
@given(batch=st.lists(documents(), min_size=1, max_size=10))
def test_liblognorm_reads_any_event_as_meant(lognormalizer, batch):
    check_liblognorm(lognormalizer, batch)
