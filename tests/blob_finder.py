"""A model of drawn chest films that finds what isn't drawn: no network, but the whole chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from chest_factory import a_chest_film
from dicom_factory import an_image, save
from package_factory import a_calibration, a_package
from PIL import Image
from scipy import ndimage

from medrec.calibration.boxes import BoxCalibration
from medrec.domain.box import Box
from medrec.domain.finding import Label
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.matching import HitKind, HitRule
from medrec.inference.predictor import FoundBox, VolumeLogits
from medrec.inference.screener import Screener, ScreenSettings
from medrec.preprocess.pipeline import Preprocessor

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 256
_CHEST = {"modality": ["CR", "DX"], "body_part": ["CHEST"], "dimensionality": "image"}


class BlobFinder:
    """Says how far a film lies above the one that is drawn, and where."""

    network, device = torch.nn.Identity(), "cpu"

    def __init__(self, *, finds_boxes: bool = True, limit: float = 8.0) -> None:
        self.finds_boxes, self.limit = finds_boxes, limit
        self.drawn = a_chest_film(SIDE, noise=0).astype(float)

    def __call__(self, volume):
        film = volume.slice_px(0).astype(float)
        film = film / 257 if film.max() > 255 else film
        is_drawn = film.shape == self.drawn.shape
        above = ndimage.gaussian_filter(film - self.drawn if is_drawn else 0 * film, 2)
        row, column = np.unravel_index(above.argmax(), above.shape)
        logit = float(np.clip((above.max() - self.limit) / 2, -8, 8))
        pieces, _ = ndimage.label(above > above.max() / 2)
        rows, columns = np.nonzero(pieces == pieces[row, column])
        ends = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        box = FoundBox(0, 0, logit, logit, 0, Box(*map(float, ends)))
        inputs = Preprocessor(size_px=64, crop="none")(volume)
        exam = np.array([logit])
        boxes = (box,) if self.finds_boxes else ()
        return VolumeLogits(exam[None], exam, inputs, boxes=boxes)


def a_film_package(folder: Path, *, finds_boxes: bool = True, **changes: Any):
    """A package for chest films; its network is random, and `stand_in` takes its place."""
    rule, figure = HitRule(HitKind.CENTRE_IN_BOX), Estimate(0.1, None, None, "none")
    detector = {
        "task": "detection",
        "model": {
            "kind": "detector_2d",
            "backbone": "test_efficientnet",
            "weights": {"kind": "none"},
            "levels": 1,
            "channels": 8,
            "anchors": [[[8.0, 8.0]]],
        },
        "boxes": [BoxCalibration(Label("tumor"), 1.0, 0.0, 0.0, 20, 10, 40, rule, figure, figure)],
        "calibrations": [
            a_calibration(
                level, method="platt_floor", parameters={"slope": 1.0, "intercept": 0.0},
                replicates=(),
            )
            for level in ("image", "exam")
        ],
    }  # fmt: skip
    return a_package(
        folder,
        **{
            "exam_level_surrogate": False,
            "input": _CHEST,
            "preprocess": {"size_px": 64, "crop": "none"},
            **(detector if finds_boxes else {}),
            **changes,
        },
    )


def stand_in(monkeypatch, finder: BlobFinder) -> None:
    """Have a finder judge in place of the package's network; all else is the package's."""

    def build(package, config, *, device):
        return Screener(package, finder, ScreenSettings("screening", heatmap=False))

    monkeypatch.setattr("medrec.workflows.acceptance.build_screener", build)


def write_films(folder: Path, count: int, *, first: int = 0) -> Path:
    """Films of as many patients as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.fromarray(a_chest_film(SIDE, seed=number)).save(folder / f"f{number:03}.png")
    return folder


def write_dicom_film(path: Path, *, number: int, inverted: bool = False, tag: str | None = None):
    """A film of 16 bits; `inverted` stores bright as dark, which the `tag` says or doesn't say."""
    film = a_chest_film(SIDE, seed=number).astype(np.uint16) * 257
    stored = 65535 - film if inverted else film
    kind = tag or ("MONOCHROME1" if inverted else "MONOCHROME2")
    image = an_image(
        stored,
        number=number,
        modality="DX",
        PhotometricInterpretation=kind,
        BodyPartExamined="CHEST",
        ViewPosition="PA",
        StudyInstanceUID=f"1.2.3.{number}",
        SeriesInstanceUID=f"1.2.4.{number}",
        PatientID=f"patient {number}",
        PixelSpacing=["1.2", "1.2"],
        PixelSpacingCalibrationType="GEOMETRY",
    )
    return save(image, path)
