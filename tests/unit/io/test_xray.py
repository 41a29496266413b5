from __future__ import annotations

import numpy as np
import pytest
from dicom_factory import an_image, save
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
)

from medrec.domain.modality import Modality
from medrec.domain.spacing import PixelSpacing, SpacingSource
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.loading import load_file
from medrec.io.xray import read_spacing

PIXELS = np.arange(48, dtype=np.uint16).reshape(6, 8)


def a_code(value):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "a view"
    return Sequence([item])


def header_of(folder, *, modality="DX", **tags):
    path = save(an_image(PIXELS, modality=modality, **tags), folder / "film")
    return read_header(FoundFile(path=path, source="film"))


def spacing_of(modality=Modality.DX, **tags):
    return read_spacing(an_image(PIXELS, **tags), modality)


@pytest.mark.parametrize(
    ("tags", "spacing", "source"),
    [
        (
            {
                "PixelSpacing": ["0.12", "0.1"],
                "ImagerPixelSpacing": ["0.15", "0.14"],
                "PixelSpacingCalibrationType": "GEOMETRY",
            },
            (0.1, 0.12),
            SpacingSource.GEOMETRY,
        ),
        (
            {"PixelSpacing": ["0.12", "0.1"], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.1, 0.12),
            SpacingSource.FIDUCIAL,
        ),
        (
            {
                "ImagerPixelSpacing": ["0.15", "0.12"],
                "EstimatedRadiographicMagnificationFactor": "1.5",
            },
            (0.08, 0.1),
            SpacingSource.MAGNIFICATION,
        ),
        (
            {
                "ImagerPixelSpacing": ["0.2", "0.1"],
                "DistanceSourceToDetector": "1250",
                "DistanceSourceToPatient": "1000",
            },
            (0.08, 0.16),
            SpacingSource.MAGNIFICATION,
        ),
        ({"ImagerPixelSpacing": ["0.15", "0.14"]}, (0.14, 0.15), SpacingSource.DETECTOR),
        ({"PixelSpacing": ["0.15", "0.14"]}, (0.14, 0.15), SpacingSource.UNSTATED),
        ({"NominalScannedPixelSpacing": ["0.2", "0.1"]}, (0.1, 0.2), SpacingSource.SCANNED),
    ],
    ids=["geometry", "fiducial", "estimated", "distances", "detector", "unstated", "scanned"],
)
def test_a_film_s_pixel_size_says_what_it_rests_on(tags, spacing, source):
    found = spacing_of(**tags)

    assert source is found.source
    np.testing.assert_allclose(spacing, (found.x_mm, found.y_mm))


def test_a_calibrated_spacing_equal_to_that_of_the_detector_was_not_calibrated():
    same = ["0.15", "0.14"]

    found = spacing_of(
        PixelSpacing=same, ImagerPixelSpacing=same, PixelSpacingCalibrationType="GEOMETRY"
    )

    assert PixelSpacing(0.14, 0.15, SpacingSource.DETECTOR) == found


def test_an_uncalibrated_spacing_doesn_t_displace_that_of_the_detector():
    found = spacing_of(PixelSpacing=["1", "1"], ImagerPixelSpacing=["0.15", "0.14"])

    assert PixelSpacing(0.14, 0.15, SpacingSource.DETECTOR) == found


@pytest.mark.parametrize("factor", ["0", "0.5", "-2", "100"])
def test_a_magnification_that_can_t_be_is_not_divided_by(factor):
    found = spacing_of(
        ImagerPixelSpacing=["0.2", "0.2"], EstimatedRadiographicMagnificationFactor=factor
    )

    assert SpacingSource.DETECTOR is found.source


def test_a_slice_s_spacing_is_that_in_the_patient():
    found = spacing_of(Modality.MR, PixelSpacing=["0.5", "0.75"])

    assert PixelSpacing(0.75, 0.5, SpacingSource.PATIENT) == found


def test_without_a_usable_spacing_there_is_no_physical_size(tmp_path):
    header = header_of(tmp_path, PixelSpacing=["0", "0"])

    assert header.spacing is None
    assert [note.code for note in header.notes] == ["no_physical_size"]


def test_the_provenance_stands_beside_the_number():
    spacing = PixelSpacing(0.14, 0.14, SpacingSource.DETECTOR)

    assert str(spacing) == "0.14 x 0.14 mm (at the detector)"
    assert not spacing.is_of_patient


def test_a_film_has_no_geometry_even_where_its_header_gives_it_a_place(tmp_path):
    tags = {
        "PixelSpacing": ["0.15", "0.15"],
        "ImagePositionPatient": ["0", "0", "0"],
        "ImageOrientationPatient": list("100001"),
        "SliceThickness": "1",
    }

    volume = load_file(save(an_image(PIXELS, modality="DX", **tags), tmp_path / "film"))

    assert volume.geometry is None


@pytest.mark.parametrize(
    ("code", "view"),
    [
        ("272479007", "PA"), ("399348003", "AP"), ("R-10206", "AP"), ("399173006", "LL"),
        ("399198007", "RL"), ("399162004", "CC"), ("R-10242", "CC"), ("399368009", "MLO"),
        ("R-10226", "MLO"), ("399260004", "ML"), ("0", None),
    ],
)  # fmt: skip
def test_the_code_of_a_view_is_read_as_its_name(tmp_path, code, view):
    assert view == header_of(tmp_path, ViewCodeSequence=a_code(code)).view_position


def test_the_name_of_a_view_comes_before_its_code(tmp_path):
    header = header_of(tmp_path, ViewPosition="pa", ViewCodeSequence=a_code("399348003"))

    assert header.view_position == "PA"


def test_a_body_part_is_read_from_its_code_where_it_is_not_named(tmp_path):
    assert "BREAST" == header_of(
        tmp_path,
        modality="DX",
        SOPClassUID=DigitalMammographyXRayImageStorageForPresentation,
        AnatomicRegionSequence=a_code("76752008"),
    ).body_part  # fmt: skip


@pytest.mark.parametrize("keyword", ["ImageLaterality", "Laterality"])
def test_the_side_is_that_of_the_image_or_of_the_series(tmp_path, keyword):
    assert header_of(tmp_path, **{keyword: "L"}).laterality == "L"


def test_the_side_of_a_frame_is_read_from_its_functional_groups(tmp_path):
    anatomy, shared = Dataset(), Dataset()
    anatomy.FrameLaterality = "R"
    anatomy.AnatomicRegionSequence = a_code("76752008")
    shared.FrameAnatomySequence = Sequence([anatomy])

    header = header_of(tmp_path, SharedFunctionalGroupsSequence=Sequence([shared]))

    assert ("R", "BREAST") == (header.laterality, header.body_part)


@pytest.mark.parametrize(
    ("intent", "is_raw"), [("FOR PROCESSING", True), ("FOR PRESENTATION", False), (None, False)]
)
def test_raw_detector_values_are_known_by_their_intent(tmp_path, intent, is_raw):
    tags = {"PresentationIntentType": intent} if intent else {}

    assert is_raw is header_of(tmp_path, **tags).is_for_processing


def test_raw_detector_values_are_known_by_their_class_where_the_intent_is_absent(tmp_path):
    uid = DigitalMammographyXRayImageStorageForProcessing

    assert header_of(tmp_path, SOPClassUID=uid).is_for_processing


@pytest.mark.parametrize(("word", "codes"), [("YES", ["burned_in_annotation"]), (None, [])])
def test_burned_in_text_is_noted_where_the_header_says_so(tmp_path, word, codes):
    tags = {"BurnedInAnnotation": word} if word else {}
    header = header_of(tmp_path, ImagerPixelSpacing=["0.1", "0.1"], **tags)

    assert codes == [note.code for note in header.notes]


def test_the_ways_of_rows_and_columns_are_kept(tmp_path):
    assert header_of(tmp_path, PatientOrientation=["L", "F"]).patient_orientation == ("L", "F")
