"""The awkward series that readers of DICOM get wrong in silence, each with the verdict it must get.

A verdict is, for every series found, its number of slices and the distance between them, or the
code it is refused with; what is left out or a copy is listed by its code or status.
"""

from __future__ import annotations

import numpy as np
import pytest
from dicom_factory import AXIAL, SAGITTAL, a_stack, an_image, decimals, save_stack

from medrec.domain.ids import PatientKey
from medrec.errors import RefusedScanError
from medrec.io.index import index_scans
from medrec.io.loading import load_volume

COUNT = 20
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
VOXELS = np.random.default_rng(8).integers(1, 4000, (6, 8, COUNT)).astype(np.uint16)
WHOLE = [(COUNT, 5.0)]


def stack(**tags):
    return a_stack(VOXELS, **tags)


def renamed(images, name):
    """The same images under SOPInstanceUIDs of their own."""
    for image in images:
        image.SOPInstanceUID += name
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return images


def numbered_backwards():
    images = stack()
    for image in images:
        image.InstanceNumber = 100 - image.InstanceNumber
    return images


def without(*indices):
    return [image for index, image in enumerate(stack()) if index not in indices]


def moved(steps_mm, *, axis=2):
    """Slices moved along an axis, by one distance each."""
    images = stack()
    for image, step in zip(images, steps_mm, strict=True):
        position = np.array([float(value) for value in image.ImagePositionPatient])
        position[axis] += step
        image.ImagePositionPatient = decimals(position)
    return images


def placeless():
    images = stack()
    for image in images:
        del image.ImagePositionPatient
    return images


def of_other_matrix():
    images = stack()
    odd = a_stack(VOXELS[:5, :5])[7]
    images[7] = odd
    return images


def three_planes():
    return [
        image
        for name, directions in ((".1", AXIAL), (".2", SAGITTAL), (".3", CORONAL))
        for image in renamed(
            stack(directions=directions, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[:3], name
        )
    ]


def one_turned():
    """One image of another orientation among the slices of a stack."""
    images = stack()
    images[3].ImageOrientationPatient = decimals(np.ravel(SAGITTAL))
    return images


def unequally_scaled():
    images = stack()
    for index, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = str(index + 1), "0"
    return images


JITTER = np.random.default_rng(4).uniform(-0.02, 0.02, COUNT)
CASES = {
    "one slice turned": (one_turned, ["mixed_orientation"]),
    "axial": (stack, WHOLE),
    "sagittal": (lambda: stack(directions=SAGITTAL), WHOLE),
    "coronal": (lambda: stack(directions=CORONAL), WHOLE),
    "instance numbers backwards": (numbered_backwards, WHOLE),
    "a missing slice": (lambda: without(6), ["gap"]),
    "a second image at a place": (
        lambda: [*stack(), *renamed(stack()[4:5], ".9")],
        ["duplicate_position"],
    ),
    "the same file twice": (lambda: [*stack(), stack()[4]], [*WHOLE, "duplicate"]),
    "two echoes": (
        lambda: [*stack(EchoTime="10"), *renamed(stack(EchoTime="90"), ".9")],
        [*WHOLE, *WHOLE],
    ),
    "two temporal positions": (
        lambda: [
            *stack(TemporalPositionIdentifier="1"),
            *renamed(stack(TemporalPositionIdentifier="2"), ".9"),
        ],
        [*WHOLE, *WHOLE],
    ),
    "a localizer of three planes": (three_planes, ["localizer"] * 3),
    "jitter of 0.02 mm": (lambda: moved(JITTER), WHOLE),
    "variable spacing": (lambda: moved(np.arange(COUNT) ** 2 * 0.05), ["variable_spacing"]),
    "a leaning stack": (lambda: moved(np.arange(COUNT) * 1.0, axis=1), ["tilt"]),
    "a slice of another matrix": (of_other_matrix, ["gap", (1, 5.0)]),
    "no position": (placeless, ["bad_geometry"]),
    "a rescale for each slice": (unequally_scaled, WHOLE),
    "white on black": (lambda: stack(PhotometricInterpretation="MONOCHROME1"), WHOLE),
    "a Siemens mosaic": (
        lambda: [
            an_image(
                VOXELS[:, :, 0].T,
                ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
                ImagePositionPatient=["0", "0", "0"],
                ImageOrientationPatient=list("100010"),
                PixelSpacing=["1", "1"],
            )
        ],
        ["bad_geometry"],
    ),
}


def verdict_of(series):
    try:
        volume = load_volume(series)
    except RefusedScanError as error:
        return error.code
    return volume.slice_count, round(volume.geometry.spacing_mm[2], 2)


@pytest.mark.parametrize("name", CASES)
def test_an_awkward_series_gets_its_verdict(tmp_path, name):
    build, wanted = CASES[name]
    index = index_scans(save_stack(build(), tmp_path), patient_key=PatientKey)

    (case,) = index.cases
    verdicts = [verdict_of(series) for series in case.series]
    verdicts += [reason.code for _, reason in case.left_out]
    verdicts += [record.status for record in index.records]

    assert sorted(map(str, wanted)) == sorted(map(str, verdicts))


def refusal_of(images, folder):
    (case,) = index_scans(save_stack(images, folder), patient_key=PatientKey).cases
    with pytest.raises(RefusedScanError) as caught:
        load_volume(case.series[0])
    return caught.value.detail


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (
            lambda: without(6),
            "slice 7 of 20 is missing: 10.0 mm where 5.0 mm is usual (instance 6 and instance 8)",
        ),
        (lambda: without(6, 7, 12), "3 are missing in all"),
        (
            lambda: [*stack(), *renamed(stack()[4:5], ".9")],
            "at the same place (instance 5 and instance 5)",
        ),
        (lambda: moved(np.arange(COUNT) * 1.0, axis=1), "leans 11.3 degrees"),
        (
            lambda: moved(np.arange(COUNT) ** 2 * 0.05),
            "slices lie 5.05 to 6.85 mm apart, widest after slice 19 of 20",
        ),
        (placeless, "20 of 20 slices lack position"),
    ],
    ids=["gap", "gaps", "duplicate", "tilt", "variable", "placeless"],
)
def test_a_refusal_says_which_slices_and_what_distances(tmp_path, images, words):
    assert words in refusal_of(images(), tmp_path)
