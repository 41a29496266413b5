"""The same picture under two names."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medrec.data.audit import audit_pictures, describe_pictures
from medrec.data.duplicates import find_identical, find_near
from medrec.data.splits import Place, SplitPlan
from medrec.data.thumbnails import to_thumbnail
from medrec.domain.reference import Reference, Split


def picture(seed, size=128):
    rng = np.random.default_rng(seed)
    x, y = np.indices((size, size)) / size - 0.5
    texture = gaussian_filter(rng.normal(size=(size, size)), 5)
    return np.where(x**2 + y**2 < 0.2, 0.5 + 3 * texture, 0).clip(0, 1)


def near(*pictures, patients="ABCDEF"):
    thumbnails = np.stack([to_thumbnail(one) for one in pictures])
    return find_near(thumbnails, list(patients[: len(pictures)]))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x**0.8,
        lambda x: x[:, ::-1],
        lambda x: 1 - x,
        lambda x: np.roll(x, 4, axis=0),
        lambda x: x + np.random.default_rng(9).normal(0, 0.02, x.shape),
    ],
    ids=["gamma", "mirror", "polarity", "shift", "noise"],
)
def test_a_picture_that_changed_a_little_is_confirmed(change):
    found = near(picture(1), picture(2), change(picture(1)))

    assert [(0, 2)] == [pair[:2] for pair in found.confirmed]


def test_pictures_of_strangers_are_not_confirmed():
    assert () == near(*(picture(seed) for seed in range(6))).confirmed


def test_pictures_of_one_patient_may_be_alike():
    assert () == near(picture(1), picture(1), patients="AA").confirmed


def test_identical_pictures_are_grouped():
    assert [(0, 2)] == find_identical(["a", "b", "a"])


def audited(places, allow=()):
    rows = [Reference(f"{n}.png", name, {"x": n == 0}) for n, name in enumerate("ABC")]
    plan = SplitPlan("held_out", dict(zip("ABC", map(Place, places), strict=True)))
    shown = describe_pictures(
        [picture(1), picture(1) ** 0.8, picture(2)],
        rows,
        digests=["a", "b", "c"],
        names=["1", "2", "3"],
    )
    return audit_pictures(shown, ["x"], plan=plan, allow=allow)


def test_nearly_the_same_picture_on_both_sides_of_a_split_stops_a_training():
    report = audited([Split.TRAIN, Split.TEST, Split.TRAIN])

    assert ["near_duplicates"] == [problem.kind for problem in report.blocking]
    assert "rows 1 and 2" in report.blocking[0].text


def test_what_is_overruled_stands_on_the_card():
    report = audited([Split.TRAIN, Split.TEST, Split.TRAIN], allow=["near_duplicates"])

    assert () == report.blocking
    assert report.card_lines()[0].startswith("Overruled by the config (near_duplicates)")


def test_nearly_the_same_picture_within_a_split_is_a_warning():
    report = audited([Split.TRAIN] * 3)

    assert () == report.blocking
    assert any("within one split" in text for text in report.warnings)
