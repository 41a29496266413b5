"""How the model's opinion runs along the slices of a case."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from medrec.domain.finding import Finding
from medrec.reporting.figures import (
    Bar,
    Chart,
    Dot,
    Frame,
    Path,
    Rule,
    Text,
    count_ticks,
    value_ticks,
)
from medrec.reporting.figures import share_ticks as shares
from medrec.reporting.render import format_number

if TYPE_CHECKING:
    from collections.abc import Collection

    from medrec.domain.finding import CasePrediction, Label

_MOST_DOTS = 80
_HIGHEST = 8


@dataclass(frozen=True, slots=True)
class SliceValue:
    """What one slice (0-based) got: a probability, or a score where no calibrator is at hand."""

    slice: int
    value: float
    logit: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The slices of one stack, in order; `stacks` counts those that were judged."""

    slices: tuple[SliceValue, ...]
    calibrated: bool
    stacks: int

    @property
    def highest(self) -> tuple[SliceValue, ...]:
        """The slices with the highest values, highest first."""
        return tuple(sorted(self.slices, key=lambda found: -found.logit)[:_HIGHEST])


def read_profile(
    prediction: CasePrediction, label: Label, *, key_slice: int | None = None
) -> Profile | None:
    """The stack whose highest slice is the key slice; None where a case has a single image.

    The images of several stacks follow each other: a new one begins where numbers don't rise.
    Without a key slice it is the stack with the highest slice of all.
    """
    rows: list[tuple[SliceValue, bool]] = []
    for image in prediction.images:
        found = next((one for one in image.findings if one.label == label), None)
        if found is not None:
            value = found.probability if isinstance(found, Finding) else found.logit
            rows.append((SliceValue(image.slice, value, found.logit), isinstance(found, Finding)))
    if not rows:
        return None
    starts = [i + 1 for i, (a, b) in enumerate(pairwise(rows)) if b[0].slice <= a[0].slice]
    bounds = [0, *starts, len(rows)]
    stacks = [rows[start:stop] for start, stop in pairwise(bounds)]
    tops = [max((row[0] for row in stack), key=lambda found: found.logit) for stack in stacks]
    ranks = [(top.slice == key_slice, top.logit) for top in tops]
    best = stacks[ranks.index(max(ranks))]
    if len(best) == 1:
        return None
    return Profile(
        slices=tuple(row[0] for row in best),
        calibrated=all(row[1] for row in best),
        stacks=len(stacks),
    )


def profile_chart(
    profile: Profile,
    *,
    key_slice: int | None,
    threshold: float | None,
    positive_slices: Collection[int] = (),
) -> Chart:
    """Draw the profile; the threshold is shown only where the values are probabilities.

    `positive_slices` are those that hold a lesion in truth, shaded.
    """
    numbers = [found.slice for found in profile.slices]
    values = [found.value for found in profile.slices]
    name = "Probability" if profile.calibrated else "Score"
    x_range = (min(numbers) - 0.5, max(numbers) + 0.5)
    frame = Frame(1000, 260, x_range, (0.0, 1.0) if profile.calibrated else _score_range(values))
    floor = frame.y_range[0]
    area = frame.points([numbers[0], *numbers, numbers[-1]], [floor, *values, floor])
    rules, texts = _marks(frame, key_slice, threshold if profile.calibrated else None)
    return Chart(
        frame=frame,
        title=f"{name} of each slice along the stack",
        x_label="slice, counted from 0",
        y_label=name.lower(),
        x_ticks=count_ticks(frame, axis="x", lowest=min(numbers), highest=max(numbers)),
        y_ticks=shares(frame, axis="y") if profile.calibrated else value_ticks(frame, axis="y"),
        bars=tuple(
            Bar(x, frame.top, frame.x(number + 0.5) - x, frame.bottom - frame.top, "truth")
            for number in numbers
            if number in positive_slices and (x := frame.x(number - 0.5))
        ),
        paths=(
            Path(area, "area", closed=True),
            Path(frame.points(numbers, values), "line"),
        ),
        rules=rules,
        dots=_dots(frame, profile, key_slice),
        texts=texts,
    )


def _dots(frame: Frame, profile: Profile, key_slice: int | None) -> tuple[Dot, ...]:
    few = len(profile.slices) <= _MOST_DOTS
    return tuple(
        Dot(
            frame.x(found.slice),
            frame.y(found.value),
            "key" if found.slice == key_slice else "point",
            f"slice {found.slice}: {format_number(found.value)}",
            radius=5.5 if found.slice == key_slice else 2.5,
        )
        for found in profile.slices
        if few or found.slice == key_slice
    )


def _marks(
    frame: Frame, key_slice: int | None, threshold: float | None
) -> tuple[tuple[Rule, ...], tuple[Text, ...]]:
    rules: list[Rule] = []
    texts: list[Text] = []
    if threshold is not None:
        y = frame.y(threshold)
        rules.append(Rule(frame.left, y, frame.right, y, "threshold"))
        above = y - 5 if threshold < 0.9 else y + 14  # noqa: PLR2004 (no room above it)
        words = f"exam threshold {format_number(threshold)}"
        texts.append(Text(frame.right - 4, above, words, "threshold", "end"))
    if key_slice is not None:
        x = frame.x(key_slice)
        rules.append(Rule(x, frame.top, x, frame.bottom, "key"))
        texts.append(Text(x, frame.top - 5, f"key slice {key_slice}", "key", "middle"))
    return tuple(rules), tuple(texts)


def _score_range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = max(0.1 * (high - low), 0.5)
    return low - margin, high + margin
