"""Apple's devices have no float64: nothing that computes beside the network may ask for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medrec.models.boxes import BoxRules, either
from medrec.models.classifiers import TimmClassifier
from medrec.models.detectors import Detector
from medrec.models.finder import Finder
from medrec.models.pyramids import TimmPyramid, VolumePyramid
from medrec.models.windows import Windows
from medrec.preprocess.augment_batch import BatchAugmenter
from medrec.training.detection import DetectionLoss


class _NoDouble(TorchDispatchMode):
    """Fails where a tensor of float64 is made on one of some devices."""

    def __init__(self, *devices: str) -> None:
        super().__init__()
        self.devices = devices or ("cpu", "meta")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, torch.Tensor) and one.device.type in self.devices:
                assert one.dtype != torch.float64, func
        return found


def _detector(solid: bool) -> Detector:
    torch.manual_seed(0)
    if solid:
        pyramid: Any = VolumePyramid(
            "resnet10", depth_stride=1, first_stage=1, levels=2, channels=8
        )
        sides: Any = [[(side,) * 3] for side in (8.0, 16.0)]
    else:
        network = TimmClassifier("test_efficientnet", label_count=1)
        pyramid = TimmPyramid(network, finest_stride=8, levels=2, channels=16)
        sides = [[(side, side)] for side in (16.0, 32.0)]
    return Detector(pyramid, anchors=sides, label_of=(0, 0, 1), label_count=2).eval()


@pytest.mark.parametrize("solid", [False, True])
def test_boxes_are_found_and_fused_without_float64(solid):
    shape = (12, 32, 32) if solid else (64, 64)
    finder = Finder(
        rules=BoxRules(lowest_logit=-9.0, candidates=200),
        windows=Windows(tuple(side // 2 for side in shape)),
        mirrors=(len(shape) - 1,),
    )
    detector = _detector(solid)
    with torch.inference_mode(), _NoDouble():
        (found,) = finder([detector, detector], torch.rand(1, 1, *shape))
    assert len(found.boxes) > 1


@pytest.mark.parametrize("matching", ["atss", "centre"])
def test_a_detector_learns_without_float64(matching):
    objects = torch.tensor([[[8.0, 8, 24, 30, 1], [0, 0, 0, 0, -1]]])
    with _NoDouble():
        output = _detector(solid=False)(torch.rand(1, 1, 64, 64))
        loss = DetectionLoss(matching=matching)(output, objects, torch.ones(1, 2))
        loss.backward()
    assert torch.isfinite(loss)


def test_the_odds_of_any_type_are_as_exact_as_in_float64():
    logits = np.random.default_rng(0).normal(0, 12, (500, 3)).astype(np.float32)
    none = np.logaddexp(0, logits.astype(np.float64)).sum(axis=1)
    wanted = none + np.log(-np.expm1(-none) + 1e-28)
    with _NoDouble():
        found = either(torch.from_numpy(logits))
    np.testing.assert_allclose(wanted, found.numpy(), rtol=2e-6, atol=2e-6)


def test_what_changes_batches_on_their_device_brings_no_float64_there():
    change = BatchAugmenter(
        32, flip_left_right=1.0, affine=1.0, rotate_degrees=7, gamma=1.0, gamma_range=(0.7, 1.5),
        intensity=1.0, intensity_scale=0.2, intensity_shift=0.1,
    )  # fmt: skip
    images = torch.rand(2, 1, 32, 32, device="meta")

    with _NoDouble("meta"):
        changed = change(images, torch.tensor([3, 4]))

    assert (images.shape, images.dtype) == (changed.shape, changed.dtype)
