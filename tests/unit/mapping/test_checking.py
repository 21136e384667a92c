"""What is known of an expression before there is any data: its types, and what is wrong with it."""

import pytest

from connector.mapping.compilation.checking import check
from connector.mapping.language.expressions import ExpressionError, parse
from connector.mapping.language.json_types import ANY, ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, STRING

SCOPE = {
    "words": STRING,
    "maybe": STRING | NULL,
    "number": NUMBER,
    "flag": BOOLEAN,
    "nothing": NULL,
    "list": ARRAY,
    "object": OBJECT,
    "any": ANY,
    "notification": OBJECT,
}
QUOTES = "; write numbers in backticks (`200`), and text in single quotation marks ('200')"
KNOWN = "any, flag, list, maybe, nothing, notification, number, object, words"


@pytest.mark.parametrize(
    ("expression", "types"),
    [
        ("words", STRING),
        ("'a'", STRING),
        ("`5`", NUMBER),
        ("`null`", NULL),
        ('`[5, {"a": [0.5]}]`', ARRAY),
        ("object.a", ANY),
        ("any.a.b", ANY),
        # Members that every notification has, and what only looks like them.
        ("notification.id", STRING),
        ("notification.date", NUMBER),
        ("notification.entity_type", STRING),
        ("notification.entity_id", STRING),
        ("notification.link", STRING | NULL),
        ("notification.origin", ANY),
        ("object.id", ANY),
        ("object.notification.id", ANY),
        ("object | notification.id", ANY),
        ("notification.a.id", ANY),
        # What follows a point sees the object before it.
        ("object.[a, b]", ARRAY | NULL),
        ("object.{a: b}", OBJECT | NULL),
        ("object.length(@)", NUMBER),
        ("object.*", ARRAY | NULL),
        ("object.*.a", ARRAY | NULL),
        ("[words, list]", ARRAY),
        ("{a: words}", OBJECT),
        ("list[0]", ANY),
        ("list[0].a", ANY),
        ("list[0:1]", ARRAY | NULL),
        ("list[*]", ARRAY | NULL),
        ("list[*].a", ARRAY | NULL),
        ("list[]", ARRAY | NULL),
        ("list[?a]", ARRAY | NULL),
        ("list[?a == `1`].b", ARRAY | NULL),
        ("any[0][1]", ANY),
        # What follows a pipe sees what comes before it.
        ("list | [0]", ANY),
        ("list | length(@)", NUMBER),
        ("words | @", ANY),
        ("object | a", ANY),
        ("maybe || number", STRING | NUMBER),
        ("maybe || nothing", STRING | NULL),
        ("words && list", STRING | ARRAY),
        ("number && list", ARRAY),
        ("maybe && flag", STRING | NULL | BOOLEAN),
        ("!words", BOOLEAN),
        ("words == maybe", BOOLEAN),
        ("words != `null`", BOOLEAN),
        ("any == number", BOOLEAN),
        ("contains(['a', number], words)", BOOLEAN),
        ("contains(list, number)", BOOLEAN),
        ("number < number", BOOLEAN | NULL),
        ("words >= any", BOOLEAN | NULL),
        # Functions of ours give null for null, unless they take it; JMESPath's own have their types.
        ("upper(words)", STRING | NULL),
        ("upper(maybe)", STRING | NULL),
        ("upper(nothing)", STRING | NULL),
        ("unique(list)", ARRAY | NULL),
        ("ip_version(words)", NUMBER | NULL),
        ("stix_id('a', words)", STRING | NULL),
        ("stix_id('a', words, number, flag)", STRING | NULL),
        ("merge(object)", OBJECT),
        ("lookup(object, 'a', words)", ANY),
        ("length(words)", NUMBER),
        ("length(list)", NUMBER),
        ("not_null(nothing, words)", ANY),
        ("merge(object, object)", OBJECT),
        ("sort_by(list, &a)", ARRAY),
        ("map(&a, list)", ARRAY),
        ("max_by(list, &a)", ANY),
        ("to_number(words)", NUMBER | NULL),
        ("contains(words, number)", BOOLEAN),
    ],
)
def test_the_types_that_a_value_may_have(expression, types):
    assert check(expression, parse(expression), SCOPE) == types


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("worts", f"the name 'worts' is not known here; did you mean words? (known: {KNOWN})"),
        ("zzz", f"the name 'zzz' is not known here (known: {KNOWN})"),
        ("false", f"the name 'false' is not known here; write `false` in backticks (known: {KNOWN})"),
        ("@", f"@ needs something before it; begin with one of: {KNOWN}"),
        ("[0]", f"a bracket or star needs something before it; begin with one of: {KNOWN}"),
        ('`[{"a": 1e999}]`', "JSON has no infinite number and no NaN"),
        ("words.a", "a value of type string has no member 'a'"),
        ("maybe.a", "a value of type string has no member 'a'"),
        ("nothing.a", "a value of type null has no member 'a'"),
        ("words.*", "a value of type string has no members"),
        ("object[0]", "a value of type object has no elements"),
        ("object[0:1]", "a value of type object has no elements"),
        ("object[*]", "a value of type object has no elements"),
        ("object[]", "a value of type object has no elements"),
        ("object[?a]", "a value of type object has no elements"),
        ("list < number", "a value of type array is neither less nor greater than another"),
        ("number < flag", "a value of type boolean is neither less nor greater than another"),
        ("(number && list) < number", "a value of type array is neither less nor greater than another"),
        ("number == '200'", f"a value of type number is never equal to one of type string{QUOTES}"),
        ("`200` != words", f"a value of type number is never equal to one of type string{QUOTES}"),
        ("words != list", "a value of type string is never equal to one of type array"),
        ("number > '200'", f"a value of type number is never less or greater than one of type string{QUOTES}"),
        ("contains(['200', '202'], number)", f"a value of type number is never equal to one of type string{QUOTES}"),
        ('contains(`["200"]`, number)', f"a value of type number is never equal to one of type string{QUOTES}"),
        ("upper(list | length(@))", "upper() takes string as argument 1, not number"),
        ("upper([words])", "upper() takes string as argument 1, not array"),
        ("upper(object.[a])", "upper() takes string as argument 1, not array"),
        ("upper(object.{a: a})", "upper() takes string as argument 1, not object"),
        ("upper(!words)", "upper() takes string as argument 1, not boolean"),
        ("upper(number || flag)", "upper() takes string as argument 1, not boolean or number"),
        ("replace(words, 'a', number)", "replace() takes string as argument 3, not number"),
        ("stix_id('a', words, list)", "stix_id() takes boolean or number or string as argument 3, not array"),
        ("join(words, words)", "join() takes array as argument 2, not string"),
        ("map(&a, words)", "map() takes array as argument 2, not string"),
        ("upper(words, words)", "upper() takes 1 argument, not 2"),
        ("replace(words)", "replace() takes 3 arguments, not 1"),
        ("stix_id('a')", "stix_id() takes at least 2 arguments, not 1"),
        ("merge()", "merge() takes at least 1 argument, not 0"),
        ("length()", "length() takes 1 argument, not 0"),
        ("lenght(words)", "there is no function lenght(); did you mean length, or is its plugin not installed?"),
        ("uper(words)", "there is no function uper(); did you mean upper, or is its plugin not installed?"),
        ("&words", "an &expression stands only where a function such as sort_by() wants one"),
        ("sort_by(list, words)", "sort_by() takes an &expression as argument 2, not string"),
    ],
)
def test_what_is_wrong_with_an_expression(expression, fault):
    assert refused(expression).removesuffix(" (at character 1 of the expression)") == fault


NESTED = [
    "object.{}",
    "list[?{}]",
    "list[*].{}",
    "list[].{}",
    "object.*.{}",
    "list[0].{}",
    "object | {}",
    "sort_by(list, &{})",
    "!(object.{})",
    "[object.{}]",
    "{{a: object.{}}}",
    "any || object.{}",
    "any && object.{}",
    "any == object.{}",
    "to_string(object.{})",
    "object.[{}]",
    "object.{{a: {}}}",
]


@pytest.mark.parametrize("place", NESTED)
def test_a_mistake_is_found_wherever_it_stands(place):
    expression = place.format("lenght(@)")
    position = expression.index("lenght") + 1
    assert refused(expression) == (
        "there is no function lenght(); did you mean length, or is its plugin not installed? "
        f"(at character {position} of the expression)"
    )


@pytest.mark.parametrize("place", NESTED)
def test_what_stands_in_another_value_may_begin_with_any_name_of_it(place):
    assert check(place.format("zzz"), parse(place.format("zzz")), SCOPE)


@pytest.mark.parametrize(
    ("expression", "position"),
    [
        ("zzz", 1),
        ("words || zzz", 10),
        ("object.zzz || zzz", 15),
        ("object.zzz.zzz || zzz", 19),
        ("to_string(zzz)", 11),
        ("!zzz", 2),
        ("zzz | a", 1),
        ("[words, zzz]", 9),
        ("{a: zzz}", 5),
        ("zzz.a", 1),
        ("zzz[0]", 1),
        ("zzz[*].a", 1),
        ("zzz.*.a", 1),
        ("any == zzz", 8),
        ("any && zzz", 8),
        ("any || upper()", 8),
        ("any || uper(words)", 8),
        ("upper(number)", 1),
        ("any || upper(number)", 8),
        ("object.upper || upper(number)", 17),
        ("upper(words) || upper(number)", 1),  # the first of that name
    ],
)
def test_a_mistake_has_its_place_in_the_expression(expression, position):
    assert refused(expression).endswith(f" (at character {position} of the expression)")


def refused(expression):
    with pytest.raises(ExpressionError) as caught:
        check(expression, parse(expression), SCOPE)
    return str(caught.value)
