"""Who has to go first when there are too many."""

from connector.values.visitors import Visitors


def made(*visitors):
    found = Visitors()
    for visitor, address in visitors:
        found.add(visitor, address)
    return found


def in_order(visitors):
    while (first := visitors.first_to_go()) is not None:
        visitors.remove(first)
        yield first


def test_the_oldest_of_the_address_that_has_most_goes_first():
    found = made(("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.2"), ("d", "192.0.2.2"), ("e", "192.0.2.3"))
    assert len(found) == 5
    assert list(found) == ["a", "b", "c", "d", "e"]
    assert [*in_order(found)][:2] == ["b", "c"]
    assert len(found) == 0


def test_nobody_has_to_go_where_nobody_is():
    assert Visitors().first_to_go() is None


def test_one_that_comes_again_is_the_newest():
    assert [*in_order(made(("a", "192.0.2.1"), ("b", "192.0.2.1"), ("a", "192.0.2.1")))] == ["b", "a"]


def test_whoever_was_not_there_cannot_be_forgotten():
    found = made(("a", "192.0.2.1"))
    assert (found.remove("b"), found.remove("a"), found.remove("a")) == (False, True, False)


def test_addresses_of_one_ipv6_network_are_one_and_an_ipv4_address_is_itself_in_ipv6():
    found = made(("a", "192.0.2.1"), ("b", "2001:db8::1"), ("c", "2001:db8::ffff:1"), ("d", "2001:db8:0:1::1"))
    assert found.first_to_go() == "b"
    found.add("e", "::ffff:192.0.2.1")
    found.add("f", "::ffff:192.0.2.1")
    found.add("g", "::ffff:192.0.2.9")
    assert found.first_to_go() == "a"
    assert made(("a", "fe80::1%eth0"), ("b", "no:address")).first_to_go() == "a"
