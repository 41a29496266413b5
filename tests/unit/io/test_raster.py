from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from medrec.errors import RefusedScanError
from medrec.io import raster
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.loading import load_file, load_mask
from medrec.io.raster import read_stored_raster, write_grey_levels

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def save(path, values, **options):
    Image.fromarray(values).save(path, **options)
    return path


def refusal_of(path):
    with pytest.raises(RefusedScanError) as caught:
        load_file(path)
    return caught.value.code


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_png_keeps_its_values(tmp_path, kind):
    values = GREY.astype(kind) * (1 if kind is np.uint8 else 1300)

    volume = load_file(save(tmp_path / "a.png", values))

    assert volume.voxels.shape == (1, 8, 6, 1)
    np.testing.assert_array_equal(volume.slice_px(0), values)
    assert volume.geometry is None
    assert [note.code for note in volume.notes] == ["no_physical_size"]


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_becomes_grey_and_alpha_is_dropped(tmp_path, channels):
    values = np.random.default_rng(1).integers(0, 256, (6, 8, channels)).astype(np.uint8)

    found = load_file(save(tmp_path / "a.png", values)).slice_px(0)

    np.testing.assert_allclose(found, values[..., :3] @ [0.299, 0.587, 0.114], atol=1e-4)


def test_grey_with_alpha_and_a_palette_are_read(tmp_path):
    image = Image.fromarray(GREY)
    image.convert("LA").save(tmp_path / "a.png")
    image.convert("P").save(tmp_path / "b.png")

    for name in ("a.png", "b.png"):
        np.testing.assert_allclose(load_file(tmp_path / name).slice_px(0), GREY, atol=1e-4)


def test_a_jpeg_is_read_as_stored_whatever_its_orientation_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6

    volume = load_file(save(tmp_path / "a.jpg", np.repeat(GREY, 8, axis=1), exif=exif))

    assert volume.voxels.shape == (1, 64, 6, 1)


def test_a_header_is_the_size_and_the_digest(tmp_path):
    path = save(tmp_path / "a.png", GREY)

    header = read_header(FoundFile(path=path, source="a.png"))

    assert header.shape == (8, 6, 1)
    assert len(header.identity) == 64


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_that_ends_early_is_refused(tmp_path, name):
    values = np.random.default_rng(1).integers(0, 256, (64, 64)).astype(np.uint8)
    path = save(tmp_path / name, values)
    path.write_bytes(path.read_bytes()[:-1500])

    assert refusal_of(path) in {"truncated", "malformed"}


def test_a_picture_with_a_magic_and_nothing_else_is_malformed(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"rubbish")

    assert refusal_of(tmp_path / "a.png") == "malformed"


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(raster, "MAX_PIXELS", 40)

    assert refusal_of(save(tmp_path / "a.png", GREY)) == "too_large"


def test_colour_takes_a_few_bytes_a_pixel_on_its_way_to_grey(tmp_path):
    values = np.random.default_rng(1).integers(0, 256, (800, 500, 3)).astype(np.uint8)
    path = save(tmp_path / "a.png", values)

    tracemalloc.start()
    load_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 16 * 800 * 500


def test_a_png_that_moves_is_out_of_scope(tmp_path):
    frames = [Image.fromarray(values) for values in (GREY, GREY[::-1])]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])

    assert refusal_of(tmp_path / "a.png") == "out_of_scope"


def test_of_a_jpeg_with_previews_the_first_picture_is_read(tmp_path):
    frames = [Image.fromarray(np.repeat(values, 8, axis=1)) for values in (GREY, GREY[::-1])]
    frames[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])

    first = load_file(tmp_path / "a.jpg").slice_px(0)

    np.testing.assert_allclose(first, np.repeat(GREY, 8, axis=1), atol=3)


def test_a_constant_picture_is_blank(tmp_path):
    assert refusal_of(save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))) == "blank_image"


def test_a_png_mask_is_turned_like_its_picture(tmp_path):
    values = np.zeros((6, 8), np.uint8)
    values[2, 5] = 255

    mask, geometry = load_mask(save(tmp_path / "m.png", values))

    assert mask.shape == (8, 6, 1)
    assert np.argwhere(mask).tolist() == [[5, 2, 0]]
    assert geometry is None


def test_a_jpeg_is_no_mask(tmp_path):
    with pytest.raises(RefusedScanError, match="lossless"):
        load_mask(save(tmp_path / "m.jpg", GREY))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_levels_come_back_as_they_were_written(tmp_path, dtype):
    levels = np.arange(12, dtype=dtype).reshape(3, 4) * (20 if dtype == np.uint8 else 5000)
    write_grey_levels(tmp_path / "film.png", levels)
    read = read_stored_raster(tmp_path / "film.png")

    assert dtype == read.dtype
    assert np.array_equal(levels, read)


def test_grey_levels_are_never_written_over_a_file(tmp_path):
    (tmp_path / "film.png").write_bytes(b"")

    with pytest.raises(FileExistsError):
        write_grey_levels(tmp_path / "film.png", np.zeros((2, 2), dtype=np.uint8))
