from __future__ import annotations

import gzip
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from medrec.errors import RefusedScanError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.loading import load_file, load_mask

VALUES = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
RAS = np.array([[0, -2.0, 0, 7], [1.0, 0, 0, -8], [0, 0, 3.0, 9], [0, 0, 0, 1]])


def write(path, values=VALUES, affine=RAS, kind=nib.Nifti1Image, change=None):
    image = kind(values, affine)
    content = bytearray(image.to_bytes())
    if change:
        change(content)
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


def refusal_of(path):
    with pytest.raises(RefusedScanError) as caught:
        load_file(path)
    return caught.value.code


def put(offset, value, dtype):
    raw = np.array(value, dtype=dtype).tobytes()

    def change(content):
        content[offset : offset + len(raw)] = raw

    return change


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "no_extension"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_come_as_stored_and_the_frame_turns_from_ras_to_lps(tmp_path, name, kind):
    volume = load_file(write(tmp_path / name, kind=kind))

    np.testing.assert_array_equal(volume.voxels[0], VALUES)
    np.testing.assert_allclose(volume.geometry.affine_lps, np.diag([-1, -1, 1, 1]) @ RAS)
    np.testing.assert_allclose(volume.geometry.affine_ras, RAS)
    assert volume.slice_sources == (name,) * volume.slice_count


def test_the_scaling_of_the_header_is_applied(tmp_path):
    def change(content):
        put(112, [0.5, -3.0], "<f4")(content)

    volume = load_file(write(tmp_path / "a.nii", change=change))

    np.testing.assert_array_equal(volume.voxels[0], VALUES * np.float32(0.5) - 3)


def test_a_header_tells_its_shape_and_content(tmp_path):
    path = write(tmp_path / "a.nii.gz")

    header = read_header(FoundFile(path=path, source="a.nii.gz"))

    assert header.shape == (4, 5, 6)
    assert len(header.identity) == 64
    assert (header.modality, header.sequence, header.patient_id) == (None, None, None)


def test_micrometres_become_millimetres(tmp_path):
    volume = load_file(write(tmp_path / "a.nii", change=put(123, 3, "u1")))

    assert volume.geometry.spacing_mm == pytest.approx((0.001, 0.002, 0.003))


def test_the_slice_axis_follows_dim_info(tmp_path):
    slice_axis_is_j = put(39, 2 << 4, "u1")

    assert load_file(write(tmp_path / "a.nii", change=slice_axis_is_j)).slice_axis == 1


def test_the_slice_axis_is_the_thick_one(tmp_path):
    volume = load_file(write(tmp_path / "a.nii", affine=np.diag([5.0, 1, 1, 1])))

    assert volume.slice_axis == 0
    assert volume.slice_count == 4


def test_without_sform_and_qform_the_orientation_is_unknown(tmp_path):
    volume = load_file(write(tmp_path / "a.nii", affine=None, change=put(252, [0, 0], "<i2")))

    assert volume.geometry is None
    assert [note.code for note in volume.notes] == ["no_orientation"]


def test_the_qform_counts_where_there_is_no_sform(tmp_path):
    image = nib.Nifti1Image(VALUES, None)
    image.set_qform(RAS, code=1)
    image.set_sform(None, code=0)
    (tmp_path / "a.nii").write_bytes(image.to_bytes())

    volume = load_file(tmp_path / "a.nii")

    np.testing.assert_allclose(volume.geometry.affine_ras, RAS, atol=1e-6)


def test_a_trailing_axis_of_one_is_dropped(tmp_path):
    assert load_file(write(tmp_path / "a.nii", VALUES[..., None])).voxels.shape == (1, 4, 5, 6)


def test_a_plane_is_a_volume_of_one_slice(tmp_path):
    assert load_file(write(tmp_path / "a.nii", VALUES[..., 0])).voxels.shape == (1, 4, 5, 1)


def test_a_series_of_volumes_is_out_of_scope(tmp_path):
    assert refusal_of(write(tmp_path / "a.nii", np.stack([VALUES] * 2, -1))) == "out_of_scope"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (put(46, 0, "<i2"), "malformed"),
        (put(46, -3, "<i2"), "malformed"),
        (put(40, 9, "<i2"), "malformed"),
        (put(42, [30000] * 3, "<i2"), "too_large"),
        (put(280, [np.nan] * 4, "<f4"), "bad_geometry"),
        (put(280, [0.0] * 12, "<f4"), "bad_geometry"),
        (put(70, 128, "<i2"), "unsupported_dtype"),
        (put(70, 32, "<i2"), "unsupported_dtype"),
        (put(70, 777, "<i2"), "malformed"),
        (put(112, [1.0, np.inf], "<f4"), "bad_rescale"),
    ],
)
def test_a_header_that_can_t_be_right_is_refused(tmp_path, change, code):
    assert code == refusal_of(write(tmp_path / "a.nii", change=change))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("offset", [0.0, 8.0, 348.0, -352.0, np.nan, np.inf])
def test_voxels_never_start_inside_the_header(tmp_path, name, offset):
    assert refusal_of(write(tmp_path / name, change=put(108, offset, "<f4"))) == "malformed"


def test_a_packed_file_is_not_inflated_up_to_a_far_offset(tmp_path):
    path = write(tmp_path / "a.nii.gz", change=put(108, 65 * 1024**2, "<f4"))
    path.write_bytes(path.read_bytes() + bytes(100_000))  # enough to hold it, by its size

    assert refusal_of(path) == "malformed"


def test_voxels_that_a_packed_file_can_t_hold_are_refused_before_memory_is_taken(tmp_path):
    path = write(tmp_path / "a.nii.gz", change=put(42, [800] * 3, "<i2"))

    tracemalloc.start()
    code = refusal_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "truncated" == code
    assert peak < 2**20


def test_an_extension_that_claims_to_be_huge_is_left_unread(tmp_path):
    content = nib.Nifti1Image(VALUES, RAS).to_bytes()
    extension = np.array([1, 2**30, 4], "<i4").tobytes()
    mutable = bytearray(content[:348] + extension + content[352:])
    put(108, 360.0, "<f4")(mutable)
    (tmp_path / "a.nii").write_bytes(mutable)

    np.testing.assert_array_equal(load_file(tmp_path / "a.nii").voxels[0], VALUES)


def test_a_scaled_volume_takes_little_more_memory_than_its_voxels(tmp_path):
    values = np.random.default_rng(1).integers(0, 999, (64, 64, 64)).astype(np.int16)
    path = write(tmp_path / "a.nii", values, change=put(112, [0.5, -3.0], "<f4"))

    tracemalloc.start()
    load_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1.3 * (2 + 4) * 64**3


def test_scaling_plane_by_plane_gives_what_nibabel_gives(tmp_path):
    values = np.random.default_rng(1).integers(-999, 999, (9, 8, 7)).astype(np.int16)
    path = write(tmp_path / "a.nii", values, change=put(112, [0.37, -11.3], "<f4"))

    wanted = nib.load(path).get_fdata().astype(np.float32)

    np.testing.assert_array_equal(wanted, load_file(path).voxels[0])


def test_a_sform_and_a_qform_that_contradict_each_other_tell_no_orientation(tmp_path):
    image = nib.Nifti1Image(VALUES, None)
    image.set_sform(RAS, code=1)
    image.set_qform(RAS @ np.diag([-1.0, 1, 1, 1]), code=1)
    (tmp_path / "a.nii").write_bytes(image.to_bytes())

    volume = load_file(tmp_path / "a.nii")

    assert volume.geometry is None
    assert [note.code for note in volume.notes] == ["no_orientation"]
    assert "sform and qform" in volume.notes[0].detail


def test_a_sform_and_a_qform_of_one_mind_are_not_noted(tmp_path):
    image = nib.Nifti1Image(VALUES, None)
    image.set_sform(RAS, code=4)
    image.set_qform(RAS, code=1)
    (tmp_path / "a.nii").write_bytes(image.to_bytes())

    assert load_file(tmp_path / "a.nii").notes == ()


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_slope_of_0_or_nan_means_values_as_stored(tmp_path, slope):
    volume = load_file(write(tmp_path / "a.nii", change=put(112, [slope, 5.0], "<f4")))

    np.testing.assert_array_equal(volume.voxels[0], VALUES)


def test_either_byte_order_is_read(tmp_path):
    image = nib.Nifti1Image(VALUES.astype(">i2"), RAS, nib.Nifti1Header(endianness=">"))
    (tmp_path / "a.nii").write_bytes(image.to_bytes())

    np.testing.assert_array_equal(load_file(tmp_path / "a.nii").voxels[0], VALUES)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_a_file_that_ends_early_is_truncated(tmp_path, name, kept):
    values = np.random.default_rng(1).integers(0, 999, (20, 20, 20)).astype(np.int16)
    path = write(tmp_path / name, values)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])

    assert refusal_of(path) == "truncated"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    values = VALUES.astype(np.float32)
    values[1, 2, 3] = value

    assert refusal_of(write(tmp_path / "a.nii", values)) == "non_finite"


def test_a_constant_volume_is_blank(tmp_path):
    assert refusal_of(write(tmp_path / "a.nii", np.zeros((3, 3, 3), np.uint8))) == "blank_image"


def test_a_mask_is_true_where_it_is_not_0(tmp_path):
    mask, geometry = load_mask(write(tmp_path / "m.nii.gz", VALUES % 3))

    np.testing.assert_array_equal(mask, VALUES % 3 != 0)
    np.testing.assert_allclose(geometry.affine_ras, RAS)


def test_an_empty_mask_is_a_mask(tmp_path):
    mask, _ = load_mask(write(tmp_path / "m.nii.gz", np.zeros((3, 4, 5), np.uint8)))

    assert mask.shape == (3, 4, 5)
    assert not mask.any()
