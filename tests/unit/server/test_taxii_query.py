import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model import Selection
from connector.server.taxii.query import MAX_PAGE, PAGE, Malformed, following, read_query

FIELDS = ("id", "type", "version", "spec_version")
ID = "indicator--a932fcc6-e032-476c-826f-cb970a5a1ade"
OTHER = "x-my-type--a932fcc6-e032-476c-826f-cb970a5a1ade"
SECOND = 1_767_225_601_000_000


def query(*parameters, fields=FIELDS, resource="objects"):
    return read_query(parameters, resource, fields)


@pytest.mark.parametrize(
    ("parameters", "selection"),
    [
        ([], Selection()),
        ([("added_after", "2026-01-01T00:00:01.123456789Z")], Selection(after=1_767_225_601_123)),
        ([("added_after", "2026-01-01T00:00:01Z")], Selection(after=1_767_225_601_000)),
        ([("added_after", "1066-10-14T00:00:00Z")], Selection()),
        ([("match[id]", ID)], Selection(ids=frozenset([ID]))),
        ([("match[id]", f"{ID},{OTHER}")], Selection(ids=frozenset([ID, OTHER]))),
        ([("match[type]", "indicator,x-my-type")], Selection(types=frozenset(["indicator", "x-my-type"]))),
        ([("match[version]", "first")], Selection(last=False, first=True)),
        ([("match[version]", "all,last")], Selection(every=True)),
        (
            [("match[version]", "2026-01-01T00:00:01.0Z,first")],
            Selection(last=False, first=True, versions=frozenset([SECOND])),
        ),
        (
            [("match[type]", "indicator"), ("match[id]", ID), ("added_after", "2026-01-01T00:00:01Z")],
            Selection(after=1_767_225_601_000, ids=frozenset([ID]), types=frozenset(["indicator"])),
        ),
        ([("utm_source", "x"), ("utm_source", "y"), ("Match[type]", "!")], Selection()),
    ],
)
def test_filters_are_understood(parameters, selection):
    assert query(*parameters).selection == selection


@pytest.mark.parametrize(
    ("value", "nothing"), [("2.1", False), ("2.0", True), ("2.0,2.1", False), ("3.0", True), ("2.10", True)]
)
def test_only_stix_21_can_match(value, nothing):
    assert query(("match[spec_version]", value)).nothing == nothing


@pytest.mark.parametrize(
    ("value", "limit"),
    [("1", 1), ("007", 7), ("1000", 1000), ("20000", MAX_PAGE), ("9" * 5000, MAX_PAGE), ("0" * 5000 + "3", 3)],
)
def test_a_limit_is_kept_to_what_one_answer_holds(value, limit):
    assert query(("limit", value)).limit == limit
    assert query().limit == PAGE


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T02:00:00+02:00",
        "2026-01-01T02:00:00.000000 02:00",
        "2025-12-31T18:30:00.0-05:30",
        "2026-01-01T00:00:00+00:00",
    ],
)
def test_a_time_of_another_zone_is_the_same_time(text):
    assert query(("added_after", text)).selection == query(("added_after", "2026-01-01T00:00:00Z")).selection


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("limit", value)
            for value in ("", "0", "000", "-1", "+1", "1.0", "1e3", " 1", "ten", "\u0661", "1,2", "\x00")
        ),
        *(
            ("added_after", value)
            for value in (
                "",
                "yesterday",
                "2026-01-01",
                "1767225601",
                "2026-01-01T00:00:00+24:00",
                "2026-01-01T00:00:00Z+02:00",
            )
        ),
        ("added_after", "2026-01-01T00:00:00Z,2026-01-01T00:00:00Z"),
        *(("match[id]", value) for value in ("", "x", "indicator--1", f"{ID},", f",{ID}", f"{ID};{ID}", ID.upper())),
        *(("match[type]", value) for value in ("", "Indicator", "indicator,", "in dicator", "indicator\n", "\ufffd")),
        *(("match[version]", value) for value in ("", "newest", "Last", "last,", "2026", "last,2026-13-01T00:00:00Z")),
        *(("match[spec_version]", value) for value in ("", "2", "two", "2.1.0", "2.1,", "v2.1", "².1")),
        *(("match" + field, "x") for field in ("[]", "[name]", "[id", "[[id]]", "[ID]")),
        *(("next", value) for value in ("", "x", "====", "null", "\ufffd", "WyJvYmplY3RzIl0", "a" * 50_000)),
    ],
)
def test_what_is_malformed_is_named(name, value):
    with pytest.raises(Malformed, match=r"^(limit|added_after|match|next|there is no filter)"):
        query((name, value))


@pytest.mark.parametrize("name", ["limit", "added_after", "next", *(f"match[{field}]" for field in FIELDS)])
def test_each_parameter_is_given_once(name):
    with pytest.raises(Malformed, match=r"must be given once; separate several values by commas"):
        query((name, "1"), (name, "1"))


def test_a_filter_that_the_resource_does_not_have_is_refused_by_name():
    with pytest.raises(
        Malformed, match=r"there is no filter 'match\[type\]' here; there is added_after, match\[version\]"
    ):
        query(("match[type]", "indicator"), fields=("version",))


class TestNext:
    filters = (("match[type]", "indicator,url"), ("added_after", "2026-01-01T00:00:01Z"), ("match[version]", "all"))

    def token(self, position=1_767_225_700_000, resource="objects"):
        return following(query(*self.filters), resource, position)

    def test_goes_on_with_the_same_filters_after_the_page_before(self):
        went_on = query(*self.filters, ("next", self.token()), ("limit", "3"))
        first = query(*self.filters)
        assert went_on.selection == Selection(
            after=1_767_225_700_000, types=first.selection.types, last=False, every=True
        )
        assert went_on.limit == 3
        assert went_on.filters == first.filters

    def test_needs_no_filters_to_be_repeated(self):
        assert query(("next", self.token())) == query(*self.filters, ("next", self.token()))

    @pytest.mark.parametrize("after", ["2020-01-01T00:00:00Z", "2026-01-01T00:00:02Z", "2099-01-01T00:00:00Z"])
    def test_goes_on_where_it_says_whatever_time_the_client_has_come_to_know(self, after):
        assert query(("added_after", after), ("next", self.token())) == query(("next", self.token()))

    def test_takes_filters_that_say_what_holds_without_them(self):
        token = following(query(), "objects", 5)
        said = query(("match[version]", "last"), ("match[spec_version]", "2.1"), ("next", token))
        assert said == query(("next", token))
        with pytest.raises(Malformed, match=r"another match\[version\]"):
            query(("match[version]", "all"), ("next", token))

    def test_takes_the_same_filters_in_other_words(self):
        query(("match[type]", "url,indicator"), ("added_after", "2026-01-01T00:00:01.000000Z"), ("next", self.token()))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("match[type]", "indicator"),
            ("match[id]", ID),
            ("match[version]", "last"),
            ("match[spec_version]", "2.0"),
        ],
    )
    def test_is_no_good_for_other_filters(self, name, value):
        with pytest.raises(Malformed, match="next belongs to a request with another"):
            query((name, value), ("next", self.token()))

    def test_is_no_good_for_another_resource(self):
        with pytest.raises(Malformed, match="next belongs to another request"):
            query(("next", self.token(resource="manifest")))

    def test_cannot_go_back_before_added_after(self):
        assert query(("next", self.token(position=5))).selection.after == 1_767_225_601_000

    @pytest.mark.parametrize(
        "content",
        [
            ["objects", -1, {}],
            ["objects", 2**63, {}],
            ["objects", 2**70, {}],
            ["objects", 1.5, {}],
            ["objects", True, {}, 1],
            ["objects", "1", {}],
            ["objects", 1, []],
            ["objects", 1, {"match[type]": 1}],
            ["objects", 1, {"match[type]": "A"}],
            ["objects", 1, {"match[name]": "a"}],
            ["objects", 1, {"limit": "1"}],
            ["objects", 1, {"next": "1"}],
            {"objects": 1},
        ],
    )
    def test_that_somebody_wrote_is_examined_like_any_parameter(self, content):
        token = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
        with pytest.raises(Malformed):
            query(("next", token))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["limit", "added_after", "next", *(f"match[{field}]" for field in FIELDS)]) | st.text(),
            st.text()
            | st.from_regex(r"[a-zA-Z0-9_-]{0,40}={0,2}")
            | st.text("0123456789-:.TZ,").map(lambda text: f"2026-01-01T{text}"),
        ),
        max_size=4,
    )
)
def test_nothing_that_is_sent_is_more_than_malformed(parameters):
    with contextlib.suppress(Malformed):
        assert 1 <= read_query(parameters, "objects", FIELDS).limit <= MAX_PAGE
