"""The shipped models: unchanged, small, made by the configs beside them, right on real scans."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid
from safetensors import safe_open

import medrec
from medrec.config.base import read_config
from medrec.config.training import TrainConfig
from medrec.package.package import CARD, LICENSE, WEIGHTS, open_package
from medrec.package.store import shipped_models
from medrec.workflows.versions import digest_of_fit

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "data_samples"
LARGEST_WEIGHTS = 15_000_000
T1C = "mri-brain-tumor-t1c"
MAMMOGRAPHY = "xray-mammography-cancer"
BRAIN_TERMS = ("CC-BY-NC-SA-4.0", "NonCommercial", "ShareAlike", "TCGA-LGG", "Buda")
TERMS = {
    "mri-brain-tumor-flair": BRAIN_TERMS,
    T1C: (*BRAIN_TERMS, "Cheng", "figshare.1512427"),
    MAMMOGRAPHY: ("CC-BY-NC-4.0", "NonCommercial", "RSNA", "Carr"),
}
ALONE = {
    "mri-brain-tumor-flair": "AUROC at matched levels",
    T1C: "from metadata alone",
    MAMMOGRAPHY: "from metadata alone",
}


def test_these_models_ship():
    assert [*TERMS] == list(shipped_models())


@pytest.fixture(scope="module", params=sorted(shipped_models()))
def package(request):
    return open_package(shipped_models()[request.param])


@pytest.fixture(scope="module")
def card(package):
    return (package.folder / CARD).read_text(encoding="utf-8")


def test_the_config_of_a_model_is_the_one_that_made_it(package):
    path = ROOT / "configs" / "train" / f"{package.manifest.name}.yaml"

    config = read_config(path, TrainConfig)
    if package.manifest.task == "detection":  # anchors are fitted to the boxes before it learns
        fitted = {"anchors": package.manifest.model.anchors}
        config = config.model_copy(update={"model": config.model.model_copy(update=fitted)})

    assert digest_of_fit(config) == package.manifest.training.config_digest


def test_a_card_says_of_its_test_what_its_config_says(package, card):
    config = read_config(ROOT / "configs" / "train" / f"{package.manifest.name}.yaml", TrainConfig)
    before = config.card.scored_before

    assert (package.manifest.card.limits, package.manifest.card.scored_before) == (
        config.card.limits, before
    )  # fmt: skip
    assert ("scored once." in card) is (before is None)
    assert all(earlier in card for earlier in before or ())


def test_weights_are_small_and_in_half_precision(package):
    path = package.folder / WEIGHTS

    with safe_open(path, framework="np") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (no dict)

    assert path.stat().st_size <= LARGEST_WEIGHTS
    assert kinds <= {"F16", "I64"}


def test_the_card_holds_the_figures_of_the_test_and_the_command_that_repeats_them(package, card):
    place = "data.manifest=MANIFEST" if package.manifest.name == T1C else "data.root=FOLDER"
    command = f"medrec train configs/train/{package.manifest.name}.yaml --out RUN --set {place}\n"

    assert command in card
    assert re.search(r"AUROC.*\[0?\.\d+, [01]?\.\d+\]", card)


def test_the_card_says_how_far_position_or_archive_alone_would_get(package, card):
    assert ALONE[package.manifest.name] in card


def test_the_detector_is_measured_within_an_archive_alone():
    card = (shipped_models()[T1C] / CARD).read_text(encoding="utf-8")

    for figure in ("kind whole, boxes", "kind part, boxes", "average precision at IoU 0.5"):
        assert figure in card
    assert "| tumor, boxes" not in card


def test_the_licence_names_its_terms_and_its_sources(package):
    terms = (package.folder / LICENSE).read_text(encoding="utf-8")

    expression, *words = TERMS[package.manifest.name]

    assert expression == package.manifest.license
    for word in words:
        assert word in terms


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    return medrec.screen(SAMPLES, model=T1C, out=tmp_path_factory.mktemp("demo") / "out")


@pytest.fixture(scope="module")
def brain(screened):
    return found_in(screened, "brain1/image.nii.gz")


def test_the_highest_box_lies_on_the_outlined_tumor(brain):
    highest = brain.regions[0]
    mask = np.asarray(nibabel.load(SAMPLES / "brain1/mask.nii.gz").dataobj)[..., highest.slice]
    columns, rows = np.nonzero(mask)
    x, y = highest.box_px.centre

    assert "flag" == brain.decision
    assert columns.min() <= x <= columns.max()
    assert rows.min() <= y <= rows.max()
    assert highest.attributes["type"] in {"glioma", "meningioma", "pituitary"}


def test_an_exam_is_never_less_likely_than_its_boxes(screened):
    with_boxes = [p for p in screened.predictions if p.regions]

    assert with_boxes
    for prediction in with_boxes:
        highest = max(region.probability for region in prediction.regions)
        assert highest <= prediction.findings[0].probability


def found_in(result, source):
    (prediction,) = [p for p in result.predictions if p.source == source]
    return prediction


def test_the_demo_scores_brains_and_refuses_the_rest(screened):
    with (screened.out / "files.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream)}

    assert 3 == screened.exit_code
    assert "scored" == rows["brain1/image.nii.gz"]["status"]
    assert "scored" == rows["brain2/image.nii.gz"]["status"]
    assert "out_of_scope" == rows["chest/chest_pa.dcm"]["code"]
    assert "out_of_scope" == rows["breast/mammogram_synthetic.dcm"]["code"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("brain1-dicom/slice_01.dcm", "brain1/image.nii.gz"),
        ("awkward/polarity/mono1.dcm", "awkward/polarity/mono2.dcm"),
    ],
)
def test_the_same_scan_stored_in_two_ways_gets_one_probability(screened, one, other):
    first, second = (found_in(screened, source).findings[0] for source in (one, other))

    assert first.probability == pytest.approx(second.probability, abs=1e-3)
    assert 0 < first.probability < 1


def test_a_probability_of_a_stand_in_says_so(screened):
    notes = {note.code for note in found_in(screened, "brain2/image.nii.gz").notes}

    assert "exam_level_surrogate" in notes


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """The sample mammogram, and the same stored with white air and its values inverted."""
    folder = tmp_path_factory.mktemp("breast")
    dark = pydicom.dcmread(SAMPLES / "breast/mammogram_synthetic.dcm")
    dark.save_as(folder / "dark.dcm")
    inverted = dark.pixel_array.max() - dark.pixel_array
    dark.set_pixel_data(inverted, "MONOCHROME2", dark.BitsStored)
    dark.StudyInstanceUID, dark.SeriesInstanceUID = generate_uid(), generate_uid()
    dark.SOPInstanceUID = dark.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dark.save_as(folder / "bright.dcm")
    return medrec.screen(folder, model=MAMMOGRAPHY, out=folder.parent / "breast-out")


def test_a_mammogram_gets_one_probability_whatever_its_polarity(mammograms):
    dark, bright = (found_in(mammograms, f"{name}.dcm") for name in ("dark", "bright"))

    assert dark.findings[0].probability == pytest.approx(bright.findings[0].probability, abs=0.01)
    assert "polarity_normalised" in {note.code for note in bright.notes}
    assert 0 < dark.findings[0].probability < 1


def test_an_exam_of_films_has_a_calibrator_of_its_own():
    levels = open_package(shipped_models()[MAMMOGRAPHY]).manifest.probability_levels

    assert {"image", "exam"} == set(levels)
