from __future__ import annotations

import numpy as np
from dicom_factory import a_stack, an_enhanced, an_image, save, save_stack
from package_factory import a_package

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


def test_what_is_out_of_scope_beside_a_chosen_series_is_skipped_as_in_screening(tmp_path):
    model = a_package(tmp_path / "model").folder
    scans = tmp_path / "scans"
    save_stack(a_stack(VOXELS, ContrastBolusAgent="X", SeriesDescription="t1 post"), scans / "t1c")
    other = a_stack(VOXELS, SeriesInstanceUID="1.2.3.4", SeriesDescription="t2 flair")
    for number, image in enumerate(other):
        image.SOPInstanceUID = f"1.2.3.5.{number}"
    save_stack(other, scans / "flair")

    together = inspect(scans, rules=model)
    alone = inspect(scans / "flair", rules=model)

    verdicts = {one.source.split("/")[0]: one.verdict.split(":")[0] for one in together.series}
    assert {"flair": "skipped", "t1c": "chosen"} == {
        k: v.split(" ")[0] for k, v in verdicts.items()
    }
    assert "skipped: not_selected" in next(
        one.verdict for one in together.series if one.source.startswith("flair")
    )
    assert alone.series[0].verdict.startswith("refused: out_of_scope")
