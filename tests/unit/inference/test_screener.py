"""The screener on real files, with a real network: what becomes of a case and of its files."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from dicom_factory import a_stack, an_enhanced, an_image, save, save_stack
from package_factory import a_calibration, a_package
from PIL import Image
from scipy.special import expit, logit

from medrec.calibration.boxes import BoxCalibration
from medrec.config.screening import ScreenConfig
from medrec.domain.box import Box
from medrec.domain.codes import NoteCode, ReasonCode
from medrec.domain.finding import CaseStatus, Decision, Label, RawFinding
from medrec.domain.ids import PatientKey
from medrec.domain.modality import Modality
from medrec.domain.series import FileStatus
from medrec.errors import FailedScanError
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.matching import HitKind, HitRule
from medrec.inference.build import build_screener
from medrec.inference.predictor import FoundBox, VolumeLogits
from medrec.inference.screener import Screener, ScreenSettings
from medrec.io.index import index_scans
from medrec.preprocess.pipeline import Preprocessor

ROOT = "1.2.826.0.1.3680043.8.498"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    contract = {"modality": ["MR"], "body_part": ["BRAIN"]}
    return a_package(tmp_path_factory.mktemp("model"), input=contract)


@pytest.fixture(scope="module")
def screener(package):
    return build_screener(package, ScreenConfig(heatmap=False), device="cpu")


def some_voxels(seed, *, slices=5):
    """Noise in a disc: brighter in the middle, air around it."""
    rng = np.random.default_rng(seed)
    x, y, _ = np.indices((40, 36, slices))
    radius = np.hypot(x - 20, y - 18)
    voxels = np.where(radius < 15, rng.uniform(200, 900, radius.shape), 0)
    return voxels.astype(np.uint16)


def add_series(folder, number, seed, *, slices=5, **tags):
    """Series `number` of the one study of a folder."""
    images = a_stack(
        some_voxels(seed, slices=slices), SeriesInstanceUID=f"{ROOT}.2.{number}", **tags
    )
    for image in images:
        image.SOPInstanceUID = f"{ROOT}.3.{number}.{image.InstanceNumber}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return save_stack(images, folder / f"series{number}")


def add_nifti(path, seed=0):
    nibabel.save(nibabel.Nifti1Image(some_voxels(seed), np.diag([1.0, 1.0, 5.0, 1.0])), path)
    return path


def index(folder):
    return index_scans(folder, patient_key=lambda _: PatientKey("p-0123456789abcdef"))


def only_case(folder):
    (case,) = index(folder).cases
    return case


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def statuses(outcome, folder):
    return {
        (record.status, record.code)
        for record in outcome.records
        if Path(record.path).parts[0] == folder
    }


def test_a_scored_case_has_findings_images_and_its_provenance(tmp_path, package, screener):
    add_series(tmp_path, 1, 0)
    case = only_case(tmp_path)

    prediction = screener(case).prediction

    assert CaseStatus.SCORED is prediction.status
    assert (case.id, case.patient_key, case.source) == (
        prediction.case_id,
        prediction.patient_key,
        prediction.source,
    )
    assert [0, 1, 2, 3, 4] == [image.slice for image in prediction.images]
    assert (package.digest, "test-model", "cpu") == (
        prediction.provenance.model_digest,
        prediction.provenance.model,
        prediction.provenance.device,
    )
    assert prediction.decision in (Decision.FLAG, Decision.CLEAR)


def test_each_image_names_its_own_file(tmp_path, screener):
    add_series(tmp_path, 1, 0)

    prediction = screener(only_case(tmp_path)).prediction

    assert files_below(tmp_path) == sorted(image.source for image in prediction.images)


def test_of_several_eligible_series_the_highest_logit_is_the_exams(tmp_path, screener):
    alone = {}
    for number in (1, 2, 3):
        add_series(tmp_path / f"alone{number}", number, number)
        outcome = screener(only_case(tmp_path / f"alone{number}"))
        alone[number] = outcome.prediction.findings[0].logit
        add_series(tmp_path / "together", number, number)

    outcome = screener(only_case(tmp_path / "together"))

    assert 3 == len(set(alone.values()))
    assert max(alone.values()) == pytest.approx(outcome.prediction.findings[0].logit, abs=1e-6)
    assert 15 == len(outcome.prediction.images)
    assert {FileStatus.SCORED} == {record.status for record in outcome.records}
    assert [("series1", 5), ("series2", 5), ("series3", 5)] == sorted(
        (one.source.split("/")[0], one.images) for one in outcome.prediction.judged_series
    )
    winner = max(alone, key=alone.__getitem__)
    assert outcome.prediction.series.startswith(f"series{winner}/")
    assert outcome.facts["Series"].startswith(f"{winner} of 3")


def test_the_key_slice_comes_from_the_series_that_decided(tmp_path, screener):
    alone = []
    for number in (1, 2):
        add_series(tmp_path / f"alone{number}", number, number)
        alone.append(screener(only_case(tmp_path / f"alone{number}")))
        add_series(tmp_path / "together", number, number)
    best = max(alone, key=lambda outcome: outcome.prediction.findings[0].logit)

    together = screener(only_case(tmp_path / "together"))

    highest = max(best.prediction.images, key=lambda image: image.findings[0].logit)
    assert highest.slice == together.key_slice.slice
    assert np.array_equal(best.key_slice.picture, together.key_slice.picture)


def test_a_series_out_of_scope_beside_an_eligible_one_is_skipped(tmp_path, screener):
    add_series(tmp_path, 1, 1)
    add_series(tmp_path, 2, 2, BodyPartExamined="KNEE")

    outcome = screener(only_case(tmp_path))

    assert CaseStatus.SCORED is outcome.prediction.status
    assert {(FileStatus.SCORED, "")} == statuses(outcome, "series1")
    assert {(FileStatus.SKIPPED, ReasonCode.NOT_SELECTED)} == statuses(outcome, "series2")
    assert files_below(tmp_path) == sorted(record.path for record in outcome.records)


def test_a_series_out_of_scope_alone_is_refused(tmp_path, screener):
    add_series(tmp_path, 1, 1, BodyPartExamined="KNEE")

    outcome = screener(only_case(tmp_path))

    assert CaseStatus.REFUSED is outcome.prediction.status
    assert ReasonCode.OUT_OF_SCOPE is outcome.prediction.reason.code
    assert "KNEE" in outcome.prediction.reason.detail
    assert {(FileStatus.REFUSED, ReasonCode.OUT_OF_SCOPE)} == statuses(outcome, "series1")


def test_a_damaged_series_beside_a_scored_one_is_refused(tmp_path, screener):
    add_series(tmp_path, 1, 1)
    second = add_series(tmp_path, 2, 2)
    next(path for path in second.iterdir() if path.name.endswith("_2")).unlink()

    outcome = screener(only_case(tmp_path))

    assert CaseStatus.SCORED is outcome.prediction.status
    assert {(FileStatus.REFUSED, ReasonCode.GAP)} == statuses(outcome, "series2")
    assert 9 == len(outcome.records)
    assert 5 == len(outcome.prediction.images)


def test_a_file_that_vanished_fails_the_case_which_may_be_tried_again(tmp_path, screener):
    folder = add_series(tmp_path, 1, 1)
    case = only_case(tmp_path)
    names = files_below(tmp_path)
    next(folder.iterdir()).unlink()

    outcome = screener(case)

    assert CaseStatus.FAILED is outcome.prediction.status
    assert ReasonCode.IO is outcome.prediction.reason.code
    assert {FileStatus.FAILED} == {record.status for record in outcome.records}
    assert names == sorted(record.path for record in outcome.records)


def test_a_failure_weighs_more_than_a_refusal(tmp_path, screener):
    add_series(tmp_path, 1, 1, BodyPartExamined="KNEE")
    gone = add_series(tmp_path, 2, 2)
    case = only_case(tmp_path)
    for path in gone.iterdir():
        path.unlink()

    outcome = screener(case)

    assert CaseStatus.FAILED is outcome.prediction.status
    assert {(FileStatus.REFUSED, ReasonCode.OUT_OF_SCOPE)} == statuses(outcome, "series1")
    assert {(FileStatus.FAILED, ReasonCode.IO)} == statuses(outcome, "series2")


def test_a_machine_without_memory_fails_the_case(tmp_path, package, monkeypatch):
    def exhausted(_):
        raise MemoryError

    add_series(tmp_path, 1, 1)
    screener = build_screener(package, ScreenConfig(heatmap=False), device="cpu")
    monkeypatch.setattr(screener, "_predictor", exhausted)
    monkeypatch.setattr(exhausted, "device", "cpu", raising=False)

    prediction = screener(only_case(tmp_path)).prediction

    assert CaseStatus.FAILED is prediction.status
    assert "out of memory" == prediction.reason.detail


def test_a_network_that_gives_no_number_fails_the_case(tmp_path, package):
    add_series(tmp_path, 1, 1)
    screener = build_screener(package, ScreenConfig(heatmap=False), device="cpu")
    for weight in screener._predictor.network.parameters():
        weight.data.fill_(float("nan"))

    outcome = screener(only_case(tmp_path))

    assert CaseStatus.FAILED is outcome.prediction.status
    assert {FileStatus.FAILED} == {record.status for record in outcome.records}


def test_a_localizer_beside_the_exam_is_skipped_and_a_study_of_localizers_is_refused(
    tmp_path, screener
):
    localizer = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    add_series(tmp_path / "both", 1, 1)
    add_series(tmp_path / "both", 2, 2, **localizer)
    add_series(tmp_path / "alone", 1, 1, **localizer)

    both = screener(only_case(tmp_path / "both"))
    alone = screener(only_case(tmp_path / "alone"))

    assert CaseStatus.SCORED is both.prediction.status
    assert {(FileStatus.SKIPPED, ReasonCode.LOCALIZER)} == statuses(both, "series2")
    assert CaseStatus.REFUSED is alone.prediction.status
    assert ReasonCode.LOCALIZER is alone.prediction.reason.code


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_no_memory_for_the_heat_map_costs_the_map_alone(tmp_path, package, monkeypatch, error):
    def explode(*_, **__):
        raise error

    monkeypatch.setattr("medrec.inference.key_slice.gradcam", explode)
    add_nifti(tmp_path / "a.nii.gz")

    outcome = build_screener(package, ScreenConfig(), device="cpu")(only_case(tmp_path))

    assert CaseStatus.SCORED is outcome.prediction.status
    assert "none: out of memory on cpu" == outcome.facts["Heat map"]


def test_a_single_image_carries_the_note_that_exams_were_stood_in_for(tmp_path, screener):
    nibabel.save(
        nibabel.Nifti1Image(some_voxels(0, slices=1), np.diag([1.0, 1.0, 5.0, 1.0])),
        tmp_path / "one.nii.gz",
    )

    outcome = screener(only_case(tmp_path))

    assert NoteCode.EXAM_LEVEL_SURROGATE in {note.code for note in outcome.prediction.notes}


def test_a_mask_is_refused_for_its_few_grey_levels(tmp_path, screener):
    mask = (some_voxels(0) > 0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), tmp_path / "mask.nii.gz")

    prediction = screener(only_case(tmp_path)).prediction

    assert CaseStatus.REFUSED is prediction.status
    assert "2 grey levels" in prediction.reason.detail


def test_a_nifti_volume_is_scored_with_what_was_assumed_of_it(tmp_path, screener):
    add_nifti(tmp_path / "head.nii.gz")

    prediction = screener(only_case(tmp_path)).prediction

    assert CaseStatus.SCORED is prediction.status
    assert prediction.modality is None
    assert NoteCode.MODALITY_ASSUMED in {note.code for note in prediction.notes}
    assert {"head.nii.gz"} == {image.source for image in prediction.images}


def test_the_users_word_for_the_modality_counts_where_a_file_names_none(tmp_path, package):
    add_nifti(tmp_path / "head.nii.gz")
    case = only_case(tmp_path)

    def screen_as(modality):
        config = ScreenConfig(heatmap=False)
        return build_screener(package, config, device="cpu", modality=modality)(case).prediction

    assert Modality.MR is screen_as(Modality.MR).modality
    assert ReasonCode.OUT_OF_SCOPE is screen_as(Modality.CT).reason.code


def test_a_heat_map_lies_on_the_key_slice_and_changes_no_answer(tmp_path, package, screener):
    add_series(tmp_path, 1, 1)
    case = only_case(tmp_path)

    plain = screener(case)
    shown = build_screener(package, ScreenConfig(), device="cpu")(case)

    assert plain.key_slice.heat is None
    assert shown.key_slice.picture.shape == shown.key_slice.heat.shape
    assert plain.prediction.findings == shown.prediction.findings


def test_a_model_without_calibrators_defers_to_a_reader(tmp_path):
    raw = a_package(tmp_path / "raw", calibrated=False, input={"modality": ["MR"]})
    add_series(tmp_path / "scans", 1, 1)
    screener = build_screener(raw, ScreenConfig(heatmap=False), device="cpu")

    prediction = screener(only_case(tmp_path / "scans")).prediction

    assert Decision.DEFER is prediction.decision
    assert isinstance(prediction.findings[0], RawFinding)


def test_facts_for_the_report_hold_no_identity(tmp_path, screener):
    add_series(tmp_path, 1, 1, BodyPartExamined="BRAIN")

    facts = screener(only_case(tmp_path)).facts

    assert "BRAIN" == facts["Body part"]
    assert "40 x 36" == facts["Matrix"]
    assert "5" == facts["Slices"]
    assert not [value for value in facts.values() if "planted" in value.lower()]


def test_every_file_of_every_case_gets_one_record(tmp_path, screener):
    add_series(tmp_path, 1, 1)
    add_series(tmp_path, 2, 2, BodyPartExamined="KNEE")
    add_series(tmp_path, 3, 3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    add_nifti(tmp_path / "head.nii.gz")
    (tmp_path / "notes.txt").write_text("junk", encoding="utf-8")

    found = index(tmp_path)
    records = [*found.records, *(r for case in found.cases for r in screener(case).records)]

    assert files_below(tmp_path) == sorted(record.path for record in records)
    assert 2 == len(found.cases)


def test_an_error_that_is_no_scans_error_is_not_swallowed(tmp_path, package, monkeypatch):
    def broken(_):
        msg = "a bug"
        raise KeyError(msg)

    add_series(tmp_path, 1, 1)
    screener = build_screener(package, ScreenConfig(heatmap=False), device="cpu")
    monkeypatch.setattr(screener, "_predictor", broken)

    with pytest.raises(KeyError, match="a bug"):
        screener(only_case(tmp_path))
    assert not issubclass(KeyError, FailedScanError)


@pytest.fixture(scope="module")
def film_package(tmp_path_factory):
    contract = {"modality": ["DX"], "dimensionality": "image"}
    folder = tmp_path_factory.mktemp("film-model")
    exam = a_calibration("exam", parameters={"slope": 1.0, "intercept": -0.7})
    return a_package(folder, input=contract, calibrations=(a_calibration("image"), exam))


def a_film(folder, **tags):
    film = an_image(some_voxels(3, slices=1)[:, :, 0].T, modality="DX", **tags)
    return save(film, folder / "film").parent


@pytest.mark.parametrize(
    ("word", "status"),
    [(None, CaseStatus.REFUSED), ("refuse", CaseStatus.REFUSED), ("accept", CaseStatus.SCORED)],
)
def test_a_film_of_raw_values_is_judged_only_where_the_user_accepts_it(
    film_package, tmp_path, word, status
):
    folder = a_film(tmp_path, PresentationIntentType="FOR PROCESSING")
    config = ScreenConfig(heatmap=False, for_processing=word)

    outcome = build_screener(film_package, config, device="cpu")(only_case(folder))

    assert status is outcome.prediction.status


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"ImagerPixelSpacing": ["0.14", "0.14"]}, "0.14 x 0.14 mm (at the detector)"),
        ({}, "no physical size"),
    ],
)
def test_the_facts_of_a_film_say_what_its_spacing_rests_on(film_package, tmp_path, tags, words):
    screener = build_screener(film_package, ScreenConfig(heatmap=False), device="cpu")

    outcome = screener(only_case(a_film(tmp_path, **tags)))

    assert outcome.facts["Spacing"] == words


def a_png(folder):
    pixels = (some_voxels(3, slices=1)[:, :, 0].T // 4).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "film.png")
    return folder


def test_a_lone_film_is_judged_as_an_image_and_beside_it_as_one_of_a_patients(
    film_package, tmp_path
):
    screener = build_screener(film_package, ScreenConfig(heatmap=False), device="cpu")

    prediction = screener(only_case(a_png(tmp_path))).prediction

    (finding,), (of_patient,) = prediction.findings, prediction.patient_findings
    logit = finding.logit
    assert film_package.calibration("tumor", "image").finding("tumor", logit).probability == (
        finding.probability
    )
    assert film_package.calibration("tumor", "exam").finding("tumor", logit).probability == (
        of_patient.probability
    )
    assert finding.probability != of_patient.probability


def test_a_study_of_films_is_an_exam(film_package, tmp_path):
    screener = build_screener(film_package, ScreenConfig(heatmap=False), device="cpu")

    prediction = screener(only_case(a_film(tmp_path))).prediction

    (finding,) = prediction.findings
    exam = film_package.calibration("tumor", "exam").finding("tumor", finding.logit)
    assert exam.probability == finding.probability
    assert () == prediction.patient_findings


def test_a_file_of_several_stacks_has_one_row_and_says_which_was_not_judged(screener, tmp_path):
    other = some_voxels(2)
    image = an_enhanced([(some_voxels(1), {"stack_id": "1"}), (other, {"stack_id": "2"})])
    second = image.PerFrameFunctionalGroupsSequence[5]
    second.PlanePositionSequence[0].ImagePositionPatient = ["1", "2", "99"]
    save(image, tmp_path / "image")

    outcome = screener(only_case(tmp_path))

    assert [(row.path, row.status) for row in outcome.records] == [("image", FileStatus.SCORED)]
    (note,) = [n for n in outcome.prediction.notes if n.code is NoteCode.PARTLY_JUDGED]
    assert "gap: slice 3 of 25 is missing" in note.detail


class _Finds:
    """Says of each series what was planted for it: logits of both labels, and a box of each.

    Series are told apart by their number of slices.
    """

    network, device = torch.nn.Identity(), "cpu"

    def __init__(self, logits):
        self.logits = logits

    def __call__(self, volume):
        exam = np.array(self.logits[volume.slice_count])
        place = Box(2.0, 2.0, 8.0, 8.0)
        boxes = tuple(FoundBox(n, n, exam[n], exam[n], 0, place) for n in (0, 1))
        inputs = Preprocessor(size_px=32, crop="none")(volume)
        return VolumeLogits(np.tile(exam, (len(inputs.slices), 1)), exam, inputs, boxes=boxes)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A package that finds tumors and cysts, with calibrators of boxes, images and exams."""
    labels = ["tumor", "cyst"]
    rule, figure = HitRule(HitKind.IOU, 0.5), Estimate(0.1, None, None, "none")
    return a_package(
        tmp_path_factory.mktemp("detector"),
        labels=labels,
        task="detection",
        model={
            "kind": "detector_2d",
            "backbone": "test_efficientnet",
            "weights": {"kind": "none"},
            "levels": 1,
            "channels": 8,
            "anchors": [[[8.0, 8.0]]],
        },
        input={"modality": ["MR"], "body_part": ["BRAIN"]},
        calibrations=[
            a_calibration(level, label=Label(name), method="platt_floor")
            for level in ("image", "exam")
            for name in labels
        ],
        boxes=[
            BoxCalibration(Label(name), 1.0, 0.0, 0.0, 20, 10, 40, rule, figure, figure)
            for name in labels
        ],
    )


def test_no_label_of_several_series_is_less_likely_than_its_boxes(tmp_path, detector):
    # The first series is likeliest to hold a tumor, the second one a cyst.
    logits = {5: [3.0, -3.0], 6: [1.0, 2.0]}
    screener = Screener(detector, _Finds(logits), ScreenSettings("screening"))
    add_series(tmp_path, 1, 1)
    add_series(tmp_path, 2, 2, slices=6)

    prediction = screener(only_case(tmp_path)).prediction

    assert [3.0, 2.0] == [finding.logit for finding in prediction.findings]
    assert 4 == len(prediction.regions)
    assert {one.source for one in prediction.judged_series} == {
        region.series for region in prediction.regions
    }
    assert_above_its_boxes(prediction.findings, prediction.regions)


def assert_above_its_boxes(findings, regions):
    for finding in findings:
        own = [region.probability for region in regions if region.label == finding.label]
        assert finding.probability >= max(own, default=0.0)


def test_a_lone_series_is_named_nowhere(tmp_path, detector):
    add_series(tmp_path, 1, 1)
    screener = Screener(detector, _Finds({5: [3.0, -3.0]}), ScreenSettings("screening"))

    prediction = screener(only_case(tmp_path)).prediction

    assert (None, ()) == (prediction.series, prediction.judged_series)
    assert {None} == {region.series for region in prediction.regions}


@pytest.mark.parametrize("prevalence", [0.001, 0.1, 0.5, 0.97])
def test_a_stated_prevalence_leaves_exams_and_slices_above_their_boxes(
    tmp_path, detector, prevalence
):
    add_series(tmp_path, 1, 1)
    case, finds = only_case(tmp_path), _Finds({5: [-1.5, 0.5]})

    plain = Screener(detector, finds, ScreenSettings("screening"))(case).prediction
    settings = ScreenSettings("screening", prevalence=prevalence)
    shifted = Screener(detector, finds, settings)(case).prediction

    assert_above_its_boxes(shifted.findings, shifted.regions)
    for image in shifted.images:
        assert_above_its_boxes(image.findings, shifted.regions)
    (before,), (after,) = (
        [region.probability for region in prediction.regions if region.label == "tumor"] or [0.0]
        for prediction in (plain, shifted)
    )
    wanted = expit(logit(before) + logit(prevalence) - logit(0.5))
    assert (pytest.approx(wanted) if wanted >= 0.01 else 0.0) == after
    # Nothing was said of cysts.
    assert plain.findings[1] == shifted.findings[1]
