"""A planted lesion comes out of a detector where it was planted, in pixels and millimetres."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from medrec.calibration.boxes import BoxCalibration
from medrec.domain.finding import Label, RawRegion, Region
from medrec.errors import FailedScanError
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.matching import HitKind, HitRule
from medrec.inference.detectors import BoxJudge, SliceDetector, VolumeDetector
from medrec.inference.regions import MOST_OF_IMAGE, to_regions
from medrec.io.loading import load_file
from medrec.models.detections import DetectorOutput
from medrec.models.finder import Finder
from medrec.models.windows import Windows
from medrec.preprocess.pipeline import Preprocessor
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    from pathlib import Path

LOW, HIGH = (12, 20, 4), (21, 27, 8)
SPACING = (1.0, 1.5, 4.0)
_FIGURE = Estimate(0.1, None, None, "none")
IDENTITY = BoxCalibration(
    Label("tumor"), 1.0, 0.0, 0.0, 20, 10, 40, HitRule(HitKind.IOU, 0.5), _FIGURE, _FIGURE
)


class _Bright(nn.Module):
    """Boxes what is brighter than half; the brighter, the surer. `logit` is what it says of it."""

    label_of = (0,)

    def __init__(self, logit: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(logit))

    def forward(self, images: torch.Tensor) -> DetectorOutput:
        boxes = torch.stack([self._box(image[0]) for image in images])[:, None]
        seen = (images.flatten(1).amax(dim=1) > 0.5)[:, None, None]
        logits = torch.where(seen, self.weight, -12.0 * self.weight / self.weight)
        return DetectorOutput(logits[:, 0], logits, boxes, boxes[0], (1,))

    def _box(self, image: torch.Tensor) -> torch.Tensor:
        places = (image > 0.5).nonzero().float()
        if len(places) == 0:
            return torch.tensor([30.0] * image.ndim + [32.0] * image.ndim)
        return torch.cat([places.amin(dim=0), places.amax(dim=0) + 1])


def _judge(network: nn.Module, *, calibrated: bool = True) -> BoxJudge:
    return BoxJudge(network, Finder(), [IDENTITY] if calibrated else [], 1, "cpu")


def _package(*, calibrated: bool = True) -> Any:
    return SimpleNamespace(
        manifest=SimpleNamespace(labels=["tumor"]),
        box_classes=("tumor",),
        box_calibrations=(IDENTITY,) if calibrated else (),
    )


@pytest.fixture
def volume(tmp_path: Path) -> Any:
    voxels = np.zeros((40, 48, 12), dtype=np.int16)
    voxels[4:36, 6:44, 1:11] = 100
    voxels[tuple(slice(*span) for span in zip(LOW, HIGH, strict=True))] = 600
    path = tmp_path / "scan.nii"
    nib.Nifti1Image(voxels, np.diag([*SPACING, 1.0])).to_filename(path)
    return load_file(path)


def _slices(*, joins: bool, **facts: Any) -> SliceDetector:
    prepare = Preprocessor(size_px=96, lower=0, upper=100)
    return SliceDetector(_judge(_Bright(), **facts), prepare, joins)


def test_boxes_of_slices_lie_on_the_slices_of_the_lesion(volume):
    found = [box for box in _slices(joins=False)(volume).boxes if box.score > 0]
    assert [4, 5, 6, 7] == sorted(box.slice for box in found)
    for box in found:
        wanted = [*LOW[:2], *HIGH[:2]]
        np.testing.assert_allclose([*box.box.low, *box.box.high], wanted, atol=0.5)


def test_joined_boxes_are_the_lesion(volume):
    found = [box for box in _slices(joins=True)(volume).boxes if box.score > 0]
    assert 1 == len(found)
    np.testing.assert_allclose([*found[0].box.low, *found[0].box.high], [*LOW, *HIGH], atol=0.5)


def test_a_detector_of_volumes_finds_the_lesion(volume):
    prepare = VolumePreprocessor(size=(48, 80, 80), lower=0, upper=100)
    (found,) = VolumeDetector(_judge(_Bright()), prepare)(volume).boxes
    np.testing.assert_allclose([*found.box.low, *found.box.high], [*LOW, *HIGH], atol=0.5)
    assert 4 <= found.slice < 8


def test_a_detector_of_volumes_finds_the_lesion_through_windows(volume):
    prepare = VolumePreprocessor(size=(48, 80, 80), lower=0, upper=100)
    finder = Finder(windows=Windows((40, 48, 64)))
    judge = BoxJudge(_Bright(), finder, [IDENTITY], 1, "cpu")
    (found,) = VolumeDetector(judge, prepare)(volume).boxes
    np.testing.assert_allclose([*found.box.low, *found.box.high], [*LOW, *HIGH], atol=0.5)


def test_a_region_lies_in_the_patient_where_the_lesion_does(volume):
    boxes = _slices(joins=True)(volume).boxes
    region = to_regions(_package(), boxes, volume)[0]
    assert isinstance(region, Region)
    spacing = np.array(SPACING)
    ends = np.array([(np.array(LOW) - 0.5) * spacing, (np.array(HIGH) - 0.5) * spacing])
    ends[:, :2] *= -1  # NIfTI's RAS to LPS
    np.testing.assert_allclose(region.box_mm.low, ends.min(axis=0), atol=0.75)
    np.testing.assert_allclose(region.box_mm.high, ends.max(axis=0), atol=0.75)


def test_the_exam_is_as_likely_as_its_highest_slice(volume):
    logits = _slices(joins=False)(volume)
    assert logits.exam.tolist() == logits.image.max(axis=0).tolist()
    assert pytest.approx(2.0) == logits.exam[0]


def test_unlikely_regions_are_left_out(volume):
    boxes = _slices(joins=False)(volume).boxes
    assert len(boxes) > 4
    assert 4 == len(to_regions(_package(), boxes, volume))


def test_without_calibrators_regions_have_scores(volume):
    boxes = _slices(joins=False, calibrated=False)(volume).boxes
    regions = to_regions(_package(calibrated=False), boxes, volume)
    assert all(isinstance(region, RawRegion) for region in regions)


def test_a_slice_has_so_many_regions_at_most(volume):
    (box, *_) = (one for one in _slices(joins=False)(volume).boxes if one.score > 0)
    assert MOST_OF_IMAGE == len(to_regions(_package(), [box] * 70, volume))


def test_a_network_that_gives_no_number_fails_the_case(volume):
    judge = _judge(_Bright(float("nan")))
    with pytest.raises(FailedScanError):
        SliceDetector(judge, Preprocessor(size_px=64, lower=0, upper=100))(volume)
