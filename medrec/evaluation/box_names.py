"""By which label the boxes of a manifest count: boxes files name classes, predictions labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medrec.domain.finding import CaseStatus, Label
from medrec.domain.reference import TYPE
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.finding import CasePrediction
    from medrec.domain.reference import Reference
    from medrec.evaluation.detection_images import BoxTruth

_BLANKS = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class NamedBoxes:
    """Boxes by the labels of the predictions, and notes on names that were read as others."""

    boxes: BoxTruth
    notes: tuple[str, ...]


def name_boxes(
    boxes: BoxTruth,
    predictions: Sequence[CasePrediction],
    references: Sequence[Reference],
    *,
    classes: Mapping[str, str | None] | None = None,
) -> NamedBoxes:
    """Give each box its label: by its `type`, else its label, as in training.

    Names are those of `classes` (None: such boxes are left out), the labels of the predictions and
    of the manifest, and the types of the predictions' own regions; exactly, else whatever their
    case, blanks, `_` and `-`.

    Raises:
        ManifestError: Every name of boxes that means no label, and every label of `classes` that
            there is not, all at once.
    """
    scored = [one for one in predictions if one.status is CaseStatus.SCORED]
    if not scored:  # nothing says what labels there are, and no box is judged
        return NamedBoxes(boxes, ())
    labels = dict.fromkeys(finding.label for one in scored for finding in one.findings)
    labels |= dict.fromkeys(label for row in references for label in row.labels)
    known: dict[str, Label | None] = {
        region.attributes[TYPE]: region.label
        for one in scored
        for region in one.regions
        if TYPE in region.attributes
    }
    known |= {str(label): label for label in labels}
    known |= {name: None if to is None else Label(to) for name, to in (classes or {}).items()}
    called = {one.names for own in boxes.values() for one in own}
    reading = {names: _read(names, known) for names in called}
    _check(reading, known, [str(label) for label in labels])
    return NamedBoxes(
        {
            row: tuple(
                one if label == one.label else replace(one, label=label)
                for one in own
                if (label := known[reading[one.names] or ""]) is not None
            )
            for row, own in boxes.items()
        },
        tuple(
            f"boxes called {names[0]!r} are read as {found!r}"
            for names, found in sorted(reading.items())
            if found is not None and found not in names
        ),
    )


def _read(names: tuple[str, ...], known: Mapping[str, Label | None]) -> str | None:
    """The known name that a box is called by."""
    folded = {_fold(name): name for name in reversed(list(known))}
    exact = next((name for name in names if name in known), None)
    return exact or next((folded[_fold(name)] for name in names if _fold(name) in folded), None)


def _fold(name: str) -> str:
    return _BLANKS.sub(" ", name).strip().casefold()


def _check(
    reading: Mapping[tuple[str, ...], str | None],
    known: Mapping[str, Label | None],
    labels: Sequence[str],
) -> None:
    problems = [
        f"classes: {name!r} is to be {label!r}, which is no label of the predictions or manifest"
        for name, label in known.items()
        if label is not None and label not in labels
    ]
    strange = sorted({names[0] for names, found in reading.items() if found is None})
    problems += [f"boxes called {name!r}: this is no label" for name in strange]
    if problems:
        example = strange[0] if strange else "NAME"
        problems.append(
            f"labels are {', '.join(labels)}: say which one each class of boxes belongs to, such as"
            f" --set 'classes={{\"{example}\": {labels[0]}}}', or null to leave its boxes out"
        )
        where = "classes of boxes"
        raise ManifestError(where, problems)
