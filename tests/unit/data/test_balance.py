"""How often a label is positive at each site."""

from medrec.data.balance import lopsided, measure_balance
from medrec.domain.reference import Reference


def at(site, positive, negative, *, first=0):
    """One row a patient at a site."""
    truths = [True] * positive + [False] * negative
    return [
        Reference(f"{site}{n}.png", f"{site}{n + first}", {"cancer": t}, attributes={"site": site})
        for n, t in enumerate(truths)
    ]


def test_patients_are_counted_and_not_rows():
    rows = [*at("north", 1, 1), *at("north", 1, 1), *at("south", 0, 1)]

    shares = measure_balance(rows, ["cancer"])

    assert [("north", 2, 1), ("south", 1, 0)] == [(s.value, s.patients, s.positive) for s in shares]


def test_one_positive_row_makes_a_patient_positive():
    rows = [
        Reference(f"{n}.png", "P", {"cancer": truth}, attributes={"site": "north"})
        for n, truth in enumerate([False, True, False, None])
    ]

    (share, _) = measure_balance([*rows, *at("south", 0, 1)], ["cancer"])

    assert (1, 1) == (share.patients, share.positive)


def test_a_label_that_is_more_frequent_at_one_site_is_said():
    (text,) = lopsided(measure_balance([*at("north", 9, 1), *at("south", 1, 9)], ["cancer"]))

    assert "cancer is positive in 90% of the patients with site=north" in text
    assert "10% with site=south" in text


def test_shares_of_few_patients_are_not_judged():
    assert [] == lopsided(measure_balance([*at("north", 9, 0), *at("south", 0, 9)], ["cancer"]))


def test_shares_that_are_alike_are_not_said():
    assert [] == lopsided(measure_balance([*at("north", 6, 4), *at("south", 5, 5)], ["cancer"]))


def test_an_attribute_of_one_value_or_of_more_than_twenty_groups_nobody():
    one = at("north", 5, 5)
    many = [row for n in range(21) for row in at(f"site{n}", 1, 1)]

    assert () == measure_balance(one, ["cancer"])
    assert () == measure_balance(many, ["cancer"])


def test_an_attribute_can_be_left_out():
    rows = [*at("north", 1, 1), *at("south", 1, 1)]

    assert () == measure_balance(rows, ["cancer"], without=["site"])
