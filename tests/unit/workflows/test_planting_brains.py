"""Training rows of brain MRI into which tumors are planted: slices, and whole volumes."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from head_factory import SPACING_MM, a_head
from planting_factory import DETECTOR, RECIPES, a_planting_config

from medrec.config.base import validate
from medrec.config.training import TrainConfig
from medrec.data.splits import Place, SplitPlan
from medrec.domain.reference import Reference, Split
from medrec.training.fit import FitData
from medrec.training.sampling import training_loader
from medrec.training.settings import FitSettings
from medrec.workflows.train import _Run

SCOPE = {"modality": ["MR"], "body_part": ["BRAIN"], "sequence": ["t1c"], "lesions": "planted"}
SOLID = {"volume_size": [40, 64, 64], "crop": "foreground"}


@pytest.mark.parametrize(
    ("model", "preprocess", "sides"),
    [
        ({"backbone": "test_efficientnet", "weights": {"kind": "none"}}, {"size_px": 64}, None),
        (DETECTOR, {"size_px": 64}, 5),
        ({"kind": "classifier_3d", "architecture": "resnet10"}, SOLID, None),
        ({"kind": "detector_3d", "levels": 1}, SOLID, 7),
    ],
    ids=["slices", "boxes", "volumes", "solid"],
)
def test_rows_of_training_are_drawn_with_tumors(tmp_path, model, preprocess, sides):
    for name in ("a", "b"):
        image = nib.Nifti1Image(a_head(seed=ord(name)), np.diag([*SPACING_MM, 1.0]))
        image.to_filename(tmp_path / f"{name}.nii")
    references = [
        Reference(f"{name}.nii", name, {"nodule": False}, split=split)
        for name, split in (("a", Split.TRAIN), ("b", Split.TEST))
    ]
    config = validate(
        a_planting_config(
            Path("m.csv"), scope=SCOPE, model=model, preprocess=preprocess,
            plant={"recipe": str(RECIPES / "mri-brain.yaml"), "share": 1.0},
        ),
        TrainConfig, where="config",
    )  # fmt: skip
    plan = SplitPlan("held_out", {row.patient: Place(row.split) for row in references})
    run = _Run(config, tmp_path, tmp_path / "run", "cpu", tmp_path / "cache", lambda _: None)

    rows = run.read(references, plan)

    assert {"a.nii"} == {rows.references[row].path for row in rows.planting.rows}
    train = FitData(rows.subset(rows.planting.rows)).train
    batch = next(iter(training_loader(train, FitSettings(epochs=1, batch_size=8), augment=None)))
    assert 1 == batch[1].max()
    assert sides is None or (sides == batch[2].shape[-1] and batch[2][..., -1].max() == 0)
