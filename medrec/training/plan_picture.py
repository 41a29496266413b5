"""Rules for the picture that a network sees: size, crop, polarity, and how it is varied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.training.choice import Choice
from medrec.training.cost import FEWEST_EPOCHS, seconds_an_epoch
from medrec.training.seen import kind_of_network, learns_from_little

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Anatomy, Asked

SIZES_PX = (96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024)
BOX_SIZES_PX = (32, 48, 64, 96, 128)
SLICE_PX, FILM_PX, BREAST_PX, BOX_PX = 192, 384, 768, 96
LESION_SEEN_PX = 16
"""Half the stride of the last stage of a usual backbone: less is a fraction of a cell."""
_BODY_FILLS_FRAME = 0.9
_STRAY_SHARE = 0.02
_FEW_PATIENTS = 200
NOT_IN_3D = {"shear", "bias_field", "low_resolution", "dropout", "ghosting", "motion"}
"""Changes that are made of pictures alone, not of boxes."""

# Degrees, and fractions of the side. Brains lie askew, breasts are compressed at any angle, chests
# stand upright: the ranges of the shipped brain models, and smaller ones for films.
_SHAPES: dict[str, tuple[float, float, float, float]] = {
    "brain": (20.0, 0.2, 0.05, 0.05),
    "breast": (15.0, 0.15, 0.08, 0.1),
    "chest": (7.0, 0.1, 0.05, 0.05),
    "other": (10.0, 0.15, 0.05, 0.05),
}


def choose_crop(fingerprint: Fingerprint) -> Choice:
    """Crop where air surrounds the body, so that bodies fill the frame alike."""
    share = fingerprint.pixels.box_share.median
    if share >= _BODY_FILLS_FRAME:
        reason = f"the body's box covers {share:.0%} of the picture: there is no air to cut away"
        return Choice("none", reason)
    return Choice(
        "foreground", f"the body's box covers {share:.0%} of the picture: the rest is air"
    )


def choose_size(fingerprint: Fingerprint, *, crop: str, anatomy: Anatomy | None = None) -> Choice:
    """The size that lesions need, no larger than the picture is, and none that starves training."""
    scans, pixels = fingerprint.scans, fingerprint.pixels
    whole = max(scans.columns_px.median, scans.rows_px.median)
    native = pixels.box_long_px.median if crop == "foreground" else whole
    wanted, why = _usual_size(fingerprint, anatomy)
    lesions = fingerprint.lesions_px
    if lesions is not None:
        needed = native * LESION_SEEN_PX / lesions.median
        if needed > wanted:
            wanted = needed
            why = (
                f"half of the lesions are under {lesions.median:.0f} px, which should span "
                f"{LESION_SEEN_PX} px"
            )
    if wanted > native:
        wanted, why = native, f"{why}, but the body spans {native:.0f} px and holds no more detail"
    sizes = BOX_SIZES_PX if kind_of_network(fingerprint) == "classifier_3d" else SIZES_PX
    allowed = [size for size in sizes if size <= max(wanted, sizes[0])]
    fitting = [size for size in allowed if _epochs_that_fit(fingerprint, size) >= FEWEST_EPOCHS]
    chosen = max(fitting, default=allowed[0])
    if chosen < allowed[-1]:
        why = (
            f"{why}; {fingerprint.budget_minutes:g} minutes are too short for {FEWEST_EPOCHS} "
            f"epochs at {allowed[-1]} px"
        )
    return Choice(chosen, f"{why}.")


def _usual_size(fingerprint: Fingerprint, anatomy: Anatomy | None) -> tuple[float, str]:
    if kind_of_network(fingerprint) == "classifier_3d":
        return BOX_PX, f"{BOX_PX} px is usual for a 3D network"
    if fingerprint.scans.kind == "volume":
        return SLICE_PX, f"{SLICE_PX} px is usual for a slice"
    if anatomy == "breast":
        why = (
            f"{BREAST_PX} px, as signs of breast cancer are fine: what a network finds grows with "
            "resolution (Geras et al., arXiv:1703.07047)"
        )
        return BREAST_PX, why
    return FILM_PX, f"{FILM_PX} px is usual for a film"


def _epochs_that_fit(fingerprint: Fingerprint, size_px: int) -> float:
    return fingerprint.budget_minutes * 60 / seconds_an_epoch(fingerprint, size_px=size_px)


def choose_polarity(fingerprint: Fingerprint, anatomy: Anatomy) -> Choice:
    """Invert films with bright air, where the edge of a film is air."""
    share = fingerprint.pixels.inverted_share
    if anatomy != "breast" or fingerprint.scans.kind != "film":
        return Choice(None, "only a breast leaves the edge to air, by which polarity is told")
    reason = f"{share:.0%} of the sampled films have bright air; a network must see one polarity"
    return Choice("dark_air", reason)


def choose_background(fingerprint: Fingerprint, anatomy: Anatomy) -> Choice:
    """Blacken what lies apart from the body: a network reads markers, if they tell the label."""
    share = fingerprint.pixels.separate_share
    if fingerprint.scans.kind != "film" or anatomy != "breast":
        return Choice(None, "kept: the largest piece of foreground is the body on a breast's film")
    if share < _STRAY_SHARE:
        return Choice(None, f"kept: {share:.0%} of the sampled films show anything beside the body")
    reason = f"markers or labels stand beside the body on {share:.0%} of the sampled films"
    return Choice("black", reason)


def choose_intensity(fingerprint: Fingerprint) -> Choice:
    """Percentiles of the foreground, which no exposure and no unit changes."""
    lowest, highest = fingerprint.pixels.lowest, fingerprint.pixels.highest
    reason = (
        f"values run from {lowest.median:g} to {highest.median:g} and mean no unit that all scans "
        "share; percentiles of the foreground hold whatever the exposure or coil"
    )
    return Choice({"kind": "percentiles", "lower": 1, "upper": 99, "clip": True}, reason)


def choose_augmentation(
    fingerprint: Fingerprint, asked: Asked, *, has_torchio: bool = False
) -> dict[str, Choice]:
    """How pictures are varied, by anatomy and modality."""
    rotate, scale, shift, shear = _SHAPES[asked.anatomy]
    is_mr = set(asked.modality) == {"MR"}
    placed = f"how far {_of(asked.anatomy)} lie from one another in place, angle and size"
    if learns_from_little(fingerprint) and asked.anatomy != "brain":
        rotate, scale = round(rotate * 4 / 3), round(scale * 4 / 3, 2)
        placed += f", and a third more, as {fingerprint.truth.patients} patients are few"
    exposed = "coil and window differ" if is_mr else "exposure and window differ"
    exposed += " between scanners"
    choices = {
        "flip_left_right": choose_flip(asked.anatomy),
        "affine": Choice(1.0, placed),
        "rotate_degrees": Choice(rotate, placed),
        "scale": Choice(scale, placed),
        "shift": Choice(shift, placed),
        "shear": Choice(shear, placed),
        "gamma": Choice(0.7, exposed),
        "gamma_range": Choice([0.7, 1.5], exposed),
        "intensity": Choice(0.7, exposed),
        "intensity_scale": Choice(0.15, exposed),
        "intensity_shift": Choice(0.1, exposed),
        "bias_field": choose_bias_field(is_mr=is_mr),
        "noise": Choice(0.3, "scan time differs" if is_mr else "dose differs"),
        "noise_std": Choice(0.05 if is_mr else 0.03, "of the range 0 to 1, as scans show it"),
        "blur": Choice(0.2, "motion and filters of reconstruction blur"),
        "low_resolution": Choice(0.2, "other sites' pixels may be larger"),
        "dropout": choose_dropout(fingerprint),
        **choose_artefacts(is_mr=is_mr, has_torchio=has_torchio),
    }
    is_3d = kind_of_network(fingerprint) == "classifier_3d"
    return {name: one for name, one in choices.items() if not (is_3d and name in NOT_IN_3D)}


def _of(anatomy: Anatomy) -> str:
    return {"brain": "heads", "breast": "breasts", "chest": "chests"}.get(anatomy, "bodies")


def choose_flip(anatomy: Anatomy) -> Choice:
    """Mirror where left and right mean the same."""
    reasons = {
        "brain": "a brain's tumor may lie on either side",
        "breast": "a mirrored left breast is a right breast",
        "chest": "never for a chest: the heart lies left, and a mirrored chest doesn't occur",
        "other": "whether it may be mirrored is unknown: set 0.5 if its sides are alike",
    }
    return Choice(0.5 if anatomy in {"brain", "breast"} else 0.0, reasons[anatomy])


def choose_bias_field(*, is_mr: bool) -> Choice:
    """Smooth fields of brightness are a coil's."""
    if is_mr:
        return Choice(0.3, "coils light a head unevenly")
    return Choice(0.0, "no coil: X-rays show no such field")


def choose_artefacts(*, is_mr: bool, has_torchio: bool) -> dict[str, Choice]:
    """Ghosts and motion, which MRI alone shows and TorchIO makes."""
    if not is_mr:
        lacks = "no MRI: nothing is sampled in k-space"
        return {"ghosting": Choice(None, lacks), "motion": Choice(None, lacks)}
    if not has_torchio:
        lacks = "TorchIO makes it: pip install 'medrec[torchio]', then set 0.1"
        return {"ghosting": Choice(None, lacks), "motion": Choice(None, lacks)}
    return {
        "ghosting": Choice(0.1, "breathing and pulse leave copies of the body beside it"),
        "motion": Choice(
            0.1,
            "in a week of one hospital 7.5 % of outpatients' and 29.4 % of inpatients' scans "
            "showed motion (Andre et al., J Am Coll Radiol 2015)",
        ),
    }


def choose_dropout(fingerprint: Fingerprint) -> Choice:
    """Black squares keep a network from learning patients by heart, unless they hide lesions."""
    is_film, lesions = fingerprint.scans.kind == "film", fingerprint.lesions_px
    if is_film:
        known = f"lesions of {lesions.median:.0f} px" if lesions else "a small lesion"
        return Choice(0.0, f"a black square could hide {known}, and the label would be wrong")
    if fingerprint.truth.patients >= _FEW_PATIENTS:
        return Choice(0.1, "some: patients are many, and hiding parts costs little")
    reason = f"{fingerprint.truth.patients} patients could be learned by heart: hide parts of them"
    return Choice(0.4, reason)
