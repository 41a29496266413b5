"""What a NIfTI file's name and sidecars say of it, and that a bad one does no harm."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from medrec.domain.modality import Modality, Sequence
from medrec.io.bids import MAX_SIDECAR_BYTES
from medrec.io.discover import FoundFile
from medrec.io.header import read_header

VALUES = np.arange(4 * 40 * 40, dtype=np.int16).reshape(4, 40, 40)


def header_of(path, sidecar=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(VALUES, np.eye(4)), path)
    if sidecar is not None:
        text = sidecar if isinstance(sidecar, str) else json.dumps(sidecar)
        (path.parent / f"{path.name.split('.')[0]}.json").write_text(text, encoding="utf-8")
    return read_header(FoundFile(path, path.name))


def dataset(folder, name="one"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text(json.dumps({"Name": name}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "sequence"),
    [
        ("sub-01_FLAIR", Sequence.FLAIR),
        ("sub-01_T1w", Sequence.T1),
        ("sub-01_ses-2_ce-gadolinium_T1w", Sequence.T1C),
        ("sub-01_acq-tse_T2w", Sequence.T2),
        ("sub-01_T2starw", Sequence.OTHER),
    ],
)
def test_a_bids_name_tells_modality_and_sequence(tmp_path, name, sequence):
    header = header_of(tmp_path / f"{name}.nii.gz")

    assert (Modality.MR, sequence) == (header.modality, header.sequence)


@pytest.mark.parametrize("name", ["head", "T1w", "sub-01", "sub-01_mask", "my_sub-01_T1w"])
def test_another_name_tells_nothing(tmp_path, name):
    header = header_of(tmp_path / f"{name}.nii")

    assert (None, None) == (header.modality, header.sequence)


def test_a_sidecar_gives_facts_and_its_seconds_become_milliseconds(tmp_path):
    header = header_of(
        tmp_path / "scan7.nii.gz",
        {
            "Modality": "MR",
            "SeriesDescription": "Ax T1 post",
            "ProtocolName": "brain",
            "BodyPartExamined": "Brain",
            "RepetitionTime": 0.6,
            "EchoTime": 0.012,
            "InversionTime": 0.9,
            "ContrastBolusIngredient": "GADOLINIUM",
            "ImageType": ["original", "PRIMARY"],
            "Manufacturer": "GE",
        },
    )

    assert (Modality.MR, Sequence.T1C, "BRAIN") == (
        header.modality,
        header.sequence,
        header.body_part,
    )
    assert pytest.approx((600.0, 12.0, 900.0)) == (
        header.repetition_time_ms,
        header.echo_time_ms,
        header.inversion_time_ms,
    )
    assert header.has_contrast_agent is True
    assert ("ORIGINAL", "PRIMARY") == header.image_type
    assert "post" not in repr(header)


@pytest.mark.parametrize(
    "sidecar",
    [
        "{",
        "[]",
        "[" * 100_000,
        '{"RepetitionTime": ' + "9" * 5000 + "}",
        '{"Modality": "MR", "x": "' + "y" * MAX_SIDECAR_BYTES + '"}',
        '{"Modality": ["MR"], "EchoTime": true, "RepetitionTime": NaN, "ImageType": {"a": 1}}',
        '{"EchoTime": 1e999, "InversionTime": -1, "RepetitionTime": "2", "Manufacturer": 7}',
    ],
    ids=range(7),
)
def test_a_broken_or_hostile_sidecar_gives_nothing_and_harms_nothing(tmp_path, sidecar):
    plain = header_of(tmp_path / "a" / "scan.nii")
    header = header_of(tmp_path / "b" / "scan.nii", sidecar)

    facts = ("modality", "echo_time_ms", "repetition_time_ms", "image_type", "manufacturer")
    assert [getattr(plain, fact) for fact in facts] == [getattr(header, fact) for fact in facts]


def test_a_sidecar_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "real.json").write_text('{"Modality": "MR"}')
    (tmp_path / "scan.json").symlink_to(tmp_path / "real.json")

    assert header_of(tmp_path / "scan.nii").modality is None


def test_sidecars_are_inherited_within_a_dataset_and_the_nearest_wins(tmp_path):
    root = dataset(tmp_path / "set")
    path = root / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    (root / "T1w.json").write_text('{"Manufacturer": "GE", "EchoTime": 0.01}')
    (root / "T2w.json").write_text('{"InversionTime": 1}')
    (tmp_path / "T1w.json").write_text('{"BodyPartExamined": "KNEE"}')

    header = header_of(path, {"EchoTime": 0.02})

    assert ("GE", 20.0) == (header.manufacturer, header.echo_time_ms)
    assert (None, None) == (header.inversion_time_ms, header.body_part)


def test_a_subject_is_one_person_in_its_dataset_and_another_in_another_one(tmp_path):
    one, two = dataset(tmp_path / "1", "one"), dataset(tmp_path / "2", "two")
    names = ("sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T2w.nii", "sub-02_T1w.nii")

    first, again, other = (header_of(one / name).patient_id for name in names)

    assert first == again
    assert first != other
    assert first != header_of(two / names[0]).patient_id
    assert header_of(tmp_path / "loose" / "sub-01_T1w.nii").patient_id is None


def test_the_slices_of_a_volume_are_counted_along_its_slice_axis(tmp_path):
    assert 4 == header_of(tmp_path / "scan.nii").slice_count
