from __future__ import annotations

import numpy as np
from dicom_factory import a_stack, an_enhanced, an_image, save, save_stack

from medrec.workflows.inspect import inspect

VOXELS = np.random.default_rng(2).integers(1, 900, (8, 6, 4)).astype(np.uint16)


def test_the_spacing_is_shown_with_what_it_rests_on(tmp_path):
    save_stack(a_stack(VOXELS), tmp_path / "head")
    film = an_image(
        VOXELS[:, :, 0],
        number=99,
        modality="DX",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.4",
        ImagerPixelSpacing=["0.2", "0.1"],
    )
    save(film, tmp_path / "film")

    report = inspect(tmp_path)

    assert {one.source.split("/")[0]: one.spacing for one in report.series} == {
        "film": "0.10 x 0.20 mm (at the detector)",
        "head": "0.50 x 0.75 mm",
    }


def test_each_stack_of_a_multi_frame_image_has_a_row(tmp_path):
    save(an_enhanced([(VOXELS, {"echo": 10.0}), (VOXELS, {"echo": 90.0})]), tmp_path / "image")

    assert [one.images for one in inspect(tmp_path, decode=True).series] == [4, 4]
