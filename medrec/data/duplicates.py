"""The same scan twice under two patients' names: pixel by pixel, or changed a little on its way."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.fft import dctn, irfft2, rfft2

from medrec.data.thumbnails import AIR, SIZE_PX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

CONFIRMED = 0.98
"""Correlation of the aligned pictures from which two pictures are one."""
WORTH_A_LOOK = 0.9
"""Correlation from which a candidate is shown to a person."""
MOST_BITS_APART = 10
"""Of the 64 bits of a perceptual hash (Zauner 2010): more apart, and two pictures are strangers."""
MOST_CANDIDATES = 40_000

_HASHED_PX = 32
_COEFFICIENTS = 8
_PAIRS_AT_ONCE = 1 << 22
_HASHED_AT_ONCE = 1 << 12
_FEWEST_PX = SIZE_PX
_FURTHEST_PX = SIZE_PX // 4
_FLIPS = ((1, 1), (-1, 1), (1, -1), (-1, -1))
"""Steps along rows and columns of the four pictures that mirrors make of one."""


class Near(NamedTuple):
    """Rows of two pictures of different patients, and how alike they are, aligned (at most 1)."""

    first: int
    second: int
    correlation: float


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Pairs that are one picture, pairs for a person to look at, and how many were compared.

    `dropped` counts the candidates beyond the most that are compared.
    """

    confirmed: tuple[Near, ...]
    unconfirmed: tuple[Near, ...]
    compared: int
    dropped: int = 0


def find_identical(digests: Sequence[str]) -> list[tuple[int, ...]]:
    """Rows that share a digest, each group in order."""
    rows: dict[str, list[int]] = defaultdict(list)
    for number, digest in enumerate(digests):
        rows[digest].append(number)
    return [tuple(numbers) for numbers in rows.values() if len(numbers) > 1]


def find_near(
    thumbnails: NDArray[np.uint8], patients: Sequence[str], *, digests: Sequence[str] = ()
) -> NearDuplicates:
    """Find pairs of nearly the same picture under two patients' names.

    Candidates are pairs whose perceptual hashes differ in few bits, mirrored ones included. Each is
    aligned by phase correlation and confirmed by the correlation over the overlap, and over the
    body in it: air that is black on both would else speak louder than what is in the body. Slices
    of one patient may be as alike as they are.

    Args:
        thumbnails: (N, 2, 96, 96), of `medrec.data.thumbnails.to_thumbnail`.
        patients: Whose each is.
        digests: Of the pixels, where known: identical pairs are left out, they are found already.
    """
    codes = np.unique(np.array(patients, dtype=np.str_), return_inverse=True)[1]
    compared, dropped = _likeliest(_candidates(thumbnails, codes))
    best: dict[tuple[int, int], float] = {}
    for _, first, second, flip, frame in compared.tolist():
        if digests and digests[first] == digests[second]:
            continue
        alike = aligned_correlation(
            thumbnails[first, frame], mirrored(thumbnails[second, frame], flip)
        )
        best[first, second] = max(best.get((first, second), -1.0), alike)
    pairs = sorted((Near(*rows, round(r, 4)) for rows, r in best.items()), key=_likeness)
    return NearDuplicates(
        confirmed=tuple(pair for pair in pairs if pair.correlation >= CONFIRMED),
        unconfirmed=tuple(p for p in pairs if WORTH_A_LOOK <= p.correlation < CONFIRMED),
        compared=len(compared),
        dropped=dropped,
    )


def mirrored(picture: NDArray[np.uint8], flip: int) -> NDArray[np.uint8]:
    """One of the four pictures that mirrors make of one; 0 is the picture itself."""
    down, right = _FLIPS[flip]
    return picture[::down, ::right]


def aligned_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Correlation of two thumbnails (96, 96), shifted onto each other: the lesser of two.

    Over the overlap, and over what of it is brighter than air in either. The shift comes from phase
    correlation (Kuglin & Hines 1975), none is tried too. 0 where there is nothing to compare.
    """
    one, other = first.astype(np.float32), second.astype(np.float32)
    shifts = {(0, 0), _shift(one, other)}
    return max(_correlation_at(one, other, *shift) for shift in shifts)


def _likeness(pair: Near) -> float:
    return -pair.correlation


def _likeliest(blocks: Iterable[NDArray[np.intp]]) -> tuple[NDArray[np.intp], int]:
    """Of candidates that come in blocks the most likely ones in order, and how many were dropped.

    No more than twice as many as are compared are held, however many are alike.
    """
    kept, seen = np.empty((0, 5), dtype=np.intp), 0
    for block in blocks:
        seen += len(block)
        kept = np.concatenate([kept, block])
        if len(kept) > 2 * MOST_CANDIDATES:
            kept = _in_order(kept)[:MOST_CANDIDATES]
    compared = _in_order(kept)[:MOST_CANDIDATES]
    return compared, seen - len(compared)


def _in_order(candidates: NDArray[np.intp]) -> NDArray[np.intp]:
    return candidates[np.lexsort(candidates.T[::-1])]


def _candidates(
    thumbnails: NDArray[np.uint8], codes: NDArray[np.intp]
) -> Iterator[NDArray[np.intp]]:
    """Pairs of strangers (M, 5): bits apart, first row, second row, flip and frame."""
    hashes = hash_pictures(thumbnails)
    is_flat = np.array([not picture.any() for picture in thumbnails[:, 0]], dtype=np.bool_)
    count = len(thumbnails)
    at_once = max(1, _PAIRS_AT_ONCE // max(count, 1))
    for frame in range(hashes.shape[1]):
        for flip in range(len(_FLIPS)):
            for start in range(0, count, at_once):
                ours = hashes[start : start + at_once, frame, 0]
                apart = np.bitwise_count(ours[:, np.newaxis] ^ hashes[:, frame, flip])
                above, right = np.nonzero(apart <= MOST_BITS_APART)
                left = above + start
                is_pair = (left < right) & (codes[left] != codes[right])
                is_pair &= ~(is_flat[left] | is_flat[right])
                bits = apart[above[is_pair], right[is_pair]].astype(np.intp)
                pairs = (bits, left[is_pair], right[is_pair])
                yield np.column_stack([*pairs, np.full_like(bits, flip), np.full_like(bits, frame)])


def hash_pictures(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Perceptual hashes (N, 2, 4): by frame, and for each of the four mirrored pictures.

    The signs of the 8 by 8 lowest cosine coefficients against their median. A mirror changes the
    sign of each odd coefficient, so that it needs no picture of its own.
    """
    parts = [
        _hash_some(thumbnails[start : start + _HASHED_AT_ONCE])
        for start in range(0, len(thumbnails), _HASHED_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty((0, 2, len(_FLIPS)), dtype=np.uint64)


def _hash_some(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    step = SIZE_PX // _HASHED_PX
    blocks = thumbnails.reshape(len(thumbnails), 2, _HASHED_PX, step, _HASHED_PX, step)
    small = blocks.mean(axis=(3, 5), dtype=np.float32)
    low = dctn(small, axes=(2, 3))[..., :_COEFFICIENTS, :_COEFFICIENTS]
    odd = 1 - 2 * (np.arange(_COEFFICIENTS) % 2)
    even = np.ones(_COEFFICIENTS)
    signs = np.stack(
        [np.outer(odd if down < 0 else even, odd if right < 0 else even) for down, right in _FLIPS]
    )
    flipped = (low[:, :, np.newaxis] * signs).reshape(len(thumbnails), 2, len(_FLIPS), -1)
    bits = flipped > np.median(flipped[..., 1:], axis=-1, keepdims=True)
    bits[..., 0] = False  # the mean says how bright, not what
    return np.packbits(bits, axis=-1).view(np.uint64)[..., 0]


def _shift(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[int, int]:
    spectrum = rfft2((first - first.mean()) * _WINDOW) * np.conj(
        rfft2((second - second.mean()) * _WINDOW)
    )
    peaks = irfft2(spectrum / (np.abs(spectrum) + 1e-6), s=first.shape)
    down, right = np.unravel_index(int(np.argmax(peaks)), peaks.shape)
    half = SIZE_PX // 2
    return (int(down) + half) % SIZE_PX - half, (int(right) + half) % SIZE_PX - half


def _correlation_at(
    first: NDArray[np.float32], second: NDArray[np.float32], down: int, right: int
) -> float:
    if max(abs(down), abs(right)) > _FURTHEST_PX:
        return 0.0
    one = first[max(down, 0) : SIZE_PX + min(down, 0), max(right, 0) : SIZE_PX + min(right, 0)]
    other = second[
        max(-down, 0) : SIZE_PX + min(-down, 0), max(-right, 0) : SIZE_PX + min(-right, 0)
    ]
    body = np.maximum(one, other) > AIR * 255
    if np.count_nonzero(body) < _FEWEST_PX:
        return 0.0
    return min(_correlate(one.ravel(), other.ravel()), _correlate(one[body], other[body]))


def _correlate(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    one, other = first - first.mean(), second - second.mean()
    scale = float(np.sqrt(np.dot(one, one) * np.dot(other, other)))
    return float(np.dot(one, other)) / scale if scale else 0.0


_WINDOW = np.outer(np.hanning(SIZE_PX), np.hanning(SIZE_PX)).astype(np.float32)
