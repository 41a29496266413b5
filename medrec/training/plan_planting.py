"""The rule for planted lesions: where few patients have real ones, and a recipe fits the scans."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medrec.data.splits import FEW_OF_A_CLASS
from medrec.training.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Asked

_SHARE = 0.5
_LESIONS = (1, 3)
_FILMS = {"CR", "DX"}
_MASSES = re.compile(r"nodul|mass|tumou?r|lesion|cancer|carcinom|malignan|neoplas|metasta|blastom")
"""Words of labels that a planted mass may stand for; calcium, effusions and fractures are none."""


def choose_planting(
    fingerprint: Fingerprint, asked: Asked, *, classes: Mapping[str, str] | None = None
) -> dict[str, Choice]:
    """The section `plant`, or that there is none; `classes` are those of a detector's boxes."""
    recipe = _recipe_for(fingerprint, asked)
    positives = fingerprint.truth.labels[asked.primary].positive_patients
    refusal = _refusal(fingerprint, asked, recipe, classes)
    if refusal is not None or recipe is None:
        return {"plant": Choice(None, refusal or "no recipe")}
    few = (
        f"{positives} patients have {asked.primary}, fewer than {FEW_OF_A_CLASS}: lesions are "
        "planted into scans without one while the network learns. They are tissue alone, without "
        "what a tumor does around it; compare a run without them (docs: planted lesions)"
    )
    return {
        "plant.recipe": Choice(recipe, few),
        "plant.share": Choice(_SHARE, "as many scans with lesions as without"),
        "plant.lesions": Choice(list(_LESIONS), "how many each of them gets: convention"),
    }


def _refusal(
    fingerprint: Fingerprint, asked: Asked, recipe: str | None, classes: Mapping[str, str] | None
) -> str | None:
    """Why nothing is planted, if it isn't."""
    counts = fingerprint.truth.labels[asked.primary]
    if counts.positive_patients >= FEW_OF_A_CLASS:
        return f"{counts.positive_patients} patients have {asked.primary}: enough real ones"
    if recipe is None:
        return "no recipe for lesions of such scans"
    if not _MASSES.search(asked.primary.lower()):
        return f"recipes plant masses, and {asked.primary} doesn't say that it is one"
    if fingerprint.truth.exclusive:
        return "none for classes that exclude each other"
    if [*(classes or {}).values()].count(asked.primary) > 1:
        return "boxes are told apart by type, and a recipe doesn't know which one it plants"
    return None


def _recipe_for(fingerprint: Fingerprint, asked: Asked) -> str | None:
    """The shipped recipe for these scans."""
    modality = set(asked.modality)
    if fingerprint.scans.kind != "film" or not modality:
        return None
    if asked.anatomy == "breast" and modality == {"MG"}:
        return "xray-mammography"
    return "xray-chest" if asked.anatomy == "chest" and modality <= _FILMS else None
