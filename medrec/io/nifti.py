"""Read NIfTI-1 and NIfTI-2 files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import aff2axcodes
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling

from medrec.domain.codes import Note, NoteCode, ReasonCode
from medrec.domain.geometry import Geometry, slice_axis_of
from medrec.domain.modality import FileFormat
from medrec.domain.series import ImageHeader
from medrec.domain.volume import Volume
from medrec.errors import RefusedScanError
from medrec.io.bids import read_beside
from medrec.io.digest import file_digest
from medrec.io.voxels import check_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from medrec.io.discover import FoundFile

MAX_DECODED_BYTES = 2 * 1024**3
_GZIP = b"\x1f\x8b"
_MM_OF_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
"""NIfTI's codes of spatial units: metre, millimetre, micrometre; any other one is read as mm."""
_NIFTI2_HEADER_BYTES = 540
_EXTENSION_FLAG_BYTES = 4
_MOST_BEFORE_VOXELS = 64 * 1024**2
"""What extensions may take up: in a packed file, all before the voxels must be inflated."""
_MOST_DEFLATED = 1032
"""Bytes that one deflated byte can stand for (zlib's technical details: 258 out of 2 bits)."""


def read_nifti_header(file: FoundFile) -> ImageHeader:
    """Read a volume's header, and what its name and sidecar say (`medrec.io.bids`).

    Its identity is the digest of the file.

    Raises:
        RefusedScanError: `not_nifti`, `malformed`, `too_large`, `truncated`, `unsupported_dtype`,
            `bad_geometry`, `bad_rescale` or `out_of_scope` (not one 3D volume).
        OSError: The file can't be opened.
    """
    with _opened(file.path) as image:
        _check_header(image, file.path)
        shape, beside = _shape_of(image), read_beside(file.path)
        return ImageHeader(
            path=file.path,
            source=file.source,
            format=FileFormat.NIFTI,
            identity=file_digest(file.path),
            shape=shape,
            modality=beside.modality,
            sequence=beside.sequence,
            body_part=beside.body_part,
            patient_id=beside.subject,
            series_description=beside.series_description,
            protocol_name=beside.protocol_name,
            manufacturer=beside.manufacturer,
            window=_window_of(image),
            notes=_notes_of(image),
            echo_time_ms=beside.echo_time_ms,
            image_type=beside.image_type,
            repetition_time_ms=beside.repetition_time_ms,
            inversion_time_ms=beside.inversion_time_ms,
            has_contrast_agent=beside.has_contrast_agent,
            slice_count=shape[_slice_axis_of(image)],
        )


def load_nifti(path: Path, *, source: str) -> Volume:
    """Read a volume (1, I, J, K), axes as stored, scl_slope and scl_inter applied.

    Raises:
        RefusedScanError: As `read_nifti_header`, or `truncated`, `non_finite`, `blank_image`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        _check_header(image, path)
        shape = _shape_of(image)
        voxels = np.empty((1, *shape), dtype=np.float32, order="F")
        for k, slab in enumerate(_read_slabs(image)):
            voxels[0, ..., k] = slab
        check_values(voxels)
        axis = _slice_axis_of(image)
        return Volume(
            voxels=voxels,
            geometry=_geometry_of(image),
            slice_axis=axis,
            slice_sources=(source,) * shape[axis],
            window=_window_of(image),
            notes=_notes_of(image),
        )


def load_nifti_mask(path: Path) -> tuple[NDArray[np.bool_], Geometry | None]:
    """Read a mask (I, J, K), True where a voxel is not 0.

    Raises:
        RefusedScanError: As `read_nifti_header`, or `truncated`, `non_finite`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        _check_header(image, path)
        mask = np.empty(_shape_of(image), dtype=np.bool_, order="F")
        for k, slab in enumerate(_read_slabs(image)):
            if not np.isfinite(slab).all():
                raise RefusedScanError(ReasonCode.NON_FINITE, "the mask holds values that are none")
            mask[..., k] = slab != 0
        return mask, _geometry_of(image)


def read_nifti_grid(path: Path) -> tuple[tuple[int, int, int], Geometry | None]:
    """The shape (I, J, K) and the place of a volume, from its header alone.

    Raises:
        RefusedScanError: As `read_nifti_header`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        _check_header(image, path)
        return _shape_of(image), _geometry_of(image)


def read_nifti_slice_axis(path: Path) -> int:
    """The axis (0, 1 or 2) that a volume was cut along, from its header alone.

    Raises:
        RefusedScanError: As `read_nifti_header`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        _check_header(image, path)
        return _slice_axis_of(image)


@dataclass(frozen=True, eq=False)
class StoredNifti:
    """A volume as stored: `pixels` (I, J, K) before `slope` and `inter`, and the file's bytes."""

    pixels: NDArray[Any]
    slope: float
    inter: float
    before: bytes
    after: bytes

    def write(self, path: Path, pixels: NDArray[Any]) -> None:
        """Write the file, not packed, with other stored values of the same dtype."""
        path.write_bytes(self.before + pixels.tobytes(order="F") + self.after)


def read_stored_nifti(path: Path) -> StoredNifti:
    """Read the voxels of a volume as the file holds them, and all that stands around them.

    Raises:
        RefusedScanError: As `load_nifti`.
        OSError: The file can't be opened.
    """
    with _opened(path) as image:
        _check_header(image, path)
        pixels = image.dataobj.get_unscaled().reshape(_shape_of(image), order="F")
        offset, slope, inter = image.dataobj.offset, image.dataobj.slope, image.dataobj.inter
    packed = path.read_bytes()
    data = gzip.decompress(packed) if packed.startswith(_GZIP) else packed
    end = int(offset) + pixels.nbytes
    return StoredNifti(pixels, float(slope), float(inter), data[: int(offset)], data[end:])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A nibabel image over an open file, whatever its name, and our errors for nibabel's."""
    with path.open("rb") as raw, _quiet():
        is_packed = raw.read(2) == _GZIP
        raw.seek(0)
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if is_packed else raw
        try:
            yield _to_image(stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RefusedScanError(ReasonCode.TRUNCATED, "the file ends too early") from error
        except (ImageFileError, HeaderDataError, OverflowError, ValueError) as error:
            detail = f"the header can't be used ({type(error).__name__})"
            raise RefusedScanError(ReasonCode.MALFORMED, detail) from error
        except MemoryError as error:
            raise RefusedScanError(ReasonCode.TOO_LARGE, "more than the memory holds") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nibabel and numpy from commenting on headers: what matters is checked and refused."""
    logger = nib.imageglobals.logger
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled


def _to_image(stream: BinaryIO) -> Any:  # noqa: ANN401 (nibabel is untyped)
    """An image over a stream; its extensions, which may claim any size, are never read."""
    head = stream.read(_NIFTI2_HEADER_BYTES)
    kinds: tuple[Any, ...] = (nib.Nifti2Image, nib.Nifti1Image)
    for kind in kinds:
        if kind.header_class.may_contain_header(head):
            block = head[: kind.header_class.template_dtype.itemsize]
            _check_scaling(kind.header_class(block, check=False))
            header = kind.header_class(block)
            # Not mapped into memory: a file that shrinks meanwhile would end the process.
            proxy = ArrayProxy(stream, header.copy(), mmap=False)  # type: ignore[no-untyped-call]
            return kind(proxy, None, header)
    raise RefusedScanError(ReasonCode.NOT_NIFTI, "no NIfTI-1 or NIfTI-2 header")


def _check_header(image: Any, path: Path) -> None:  # noqa: ANN401
    shape = image.shape
    if not 2 <= len(shape) <= 7 or min(shape) < 1:  # noqa: PLR2004 (NIfTI's own limits)
        raise RefusedScanError(ReasonCode.MALFORMED, f"dimensions {shape}")
    dtype = image.get_data_dtype()
    if dtype.kind not in "iufb":
        raise RefusedScanError(ReasonCode.UNSUPPORTED_DTYPE, f"voxels of type {dtype}")
    count, is_several = math.prod(shape), any(size != 1 for size in shape[3:])
    if not is_several and count * max(dtype.itemsize, 4) > MAX_DECODED_BYTES:
        detail = f"{count} voxels are over {MAX_DECODED_BYTES // 1024**2} MiB"
        raise RefusedScanError(ReasonCode.TOO_LARGE, detail)
    # What is broken is said before what is not meant for us.
    _check_length(image, path, count * dtype.itemsize)
    if is_several:
        detail = f"{len(shape)}D ({' x '.join(map(str, shape))}): save one 3D volume of it"
        raise RefusedScanError(ReasonCode.OUT_OF_SCOPE, detail)
    _geometry_of(image)


def _check_length(image: Any, path: Path, wanted: int) -> None:  # noqa: ANN401
    """Hold the voxels' place and bytes against the file, before memory is asked for."""
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    offset, size = int(image.dataobj.offset), path.stat().st_size
    if offset < image.header.template_dtype.itemsize + _EXTENSION_FLAG_BYTES:
        detail = f"voxels start at byte {offset}, inside the header"
        raise RefusedScanError(ReasonCode.MALFORMED, detail)
    available = size * (_MOST_DEFLATED if is_packed else 1) - offset
    if available < wanted:
        detail = f"the file holds {max(available, 0)} of {wanted} bytes of voxels"
        detail = f"{wanted} bytes of voxels can't be in {size} packed ones" if is_packed else detail
        raise RefusedScanError(ReasonCode.TRUNCATED, detail)
    if offset > _MOST_BEFORE_VOXELS:
        detail = f"{offset // 1024**2} MiB before the voxels"
        raise RefusedScanError(ReasonCode.MALFORMED, detail)


def _check_scaling(header: Any) -> None:  # noqa: ANN401
    """Refuse a scaling that leaves no finite value; a slope of 0 or NaN means none at all."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    is_scaled = slope != 0 and not math.isnan(slope)
    if is_scaled and not (math.isfinite(slope) and math.isfinite(inter)):
        raise RefusedScanError(ReasonCode.BAD_RESCALE, f"slope {slope:g}, intercept {inter:g}")


def _read_slabs(image: Any) -> Iterator[NDArray[Any]]:  # noqa: ANN401
    """Scaled planes (I, J) along k: scaled at once, a volume would need its float64 as well."""
    try:
        stored = image.dataobj.get_unscaled().reshape(_shape_of(image), order="F")
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) is not None:  # the disk's, not nibabel's own
            raise
        raise RefusedScanError(ReasonCode.TRUNCATED, "the voxels end too early") from error
    slope, inter = image.dataobj.slope, image.dataobj.inter
    for k in range(stored.shape[2]):
        yield apply_read_scaling(stored[..., k], slope, inter)


def _geometry_of(image: Any) -> Geometry | None:  # noqa: ANN401
    """The sform, else the qform, in mm; None where neither is set: pixdim has no directions.

    None too where both are set and contradict each other: left would be a guess.
    """
    header = image.header
    try:
        if _has_two_frames(header):
            return None
        if header["sform_code"] > 0:
            affine = header.get_sform()
        elif header["qform_code"] > 0:
            affine = header.get_qform()
        else:
            return None
        affine = np.array(affine, dtype=np.float64)
        affine[:3] *= _mm_per_unit(image)
        return Geometry.from_ras(affine)
    except (ValueError, HeaderDataError, np.linalg.LinAlgError) as error:
        detail = "the affine is not finite, or flattens a voxel"
        raise RefusedScanError(ReasonCode.BAD_GEOMETRY, detail) from error


def _spacing_of(image: Any) -> tuple[float, float, float]:  # noqa: ANN401
    geometry = _geometry_of(image)
    if geometry is not None:
        return geometry.spacing_mm
    zooms = [float(zoom) * _mm_per_unit(image) for zoom in image.header.get_zooms()[:3]]
    zooms += [1.0] * (3 - len(zooms))
    return zooms[0], zooms[1], zooms[2]


def _mm_per_unit(image: Any) -> float:  # noqa: ANN401
    return _MM_OF_UNIT.get(int(image.header["xyzt_units"]) & 7, 1.0)


def _slice_axis_of(image: Any) -> int:  # noqa: ANN401
    return slice_axis_of(_shape_of(image), _spacing_of(image), image.header.get_dim_info()[2])


def _shape_of(image: Any) -> tuple[int, int, int]:  # noqa: ANN401
    shape = (*image.shape[:3], 1)
    return int(shape[0]), int(shape[1]), int(shape[2])


def _window_of(image: Any) -> tuple[float, float] | None:  # noqa: ANN401
    low, high = float(image.header["cal_min"]), float(image.header["cal_max"])
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return None
    return (low + high) / 2, high - low


def _notes_of(image: Any) -> tuple[Note, ...]:  # noqa: ANN401
    if _geometry_of(image) is not None:
        return ()
    cause = "neither sform nor qform is set"
    if _has_two_frames(image.header):
        cause = "sform and qform lay the axes to different sides"
    detail = f"{cause}: left, right, top and bottom are unknown"
    return (Note(NoteCode.NO_ORIENTATION, detail),)


def _has_two_frames(header: Any) -> bool:  # noqa: ANN401
    """Whether sform and qform are both set and an axis runs to different sides in them."""
    if header["sform_code"] <= 0 or header["qform_code"] <= 0:
        return False
    try:
        first, second = (_axes(affine) for affine in (header.get_sform(), header.get_qform()))
    except (ValueError, HeaderDataError, np.linalg.LinAlgError):
        return False  # one of them is broken: the other one counts, or refuses the file
    return first != second


def _axes(affine: NDArray[np.float64]) -> tuple[str, ...]:
    """Where the axes point, as `("R", "A", "S")`."""
    return tuple(aff2axcodes(affine))  # type: ignore[no-untyped-call]
