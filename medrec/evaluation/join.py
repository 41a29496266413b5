"""Which row of the manifest speaks of which prediction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from medrec.domain.counting import counted
from medrec.domain.finding import CaseStatus
from medrec.errors import ManifestError
from medrec.evaluation.result import Flow, SliceFlow
from medrec.evaluation.stacks import Stacks, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from medrec.domain.finding import CasePrediction
    from medrec.domain.reference import Reference


@dataclass(frozen=True, eq=False)
class JoinedCase:
    """A prediction with the manifest's rows on it.

    `image_rows` maps the index of an image in `prediction.images` to its slice rows, or, in a study
    of several films, to the rows of that film; `other_slice_rows` are those of slices that have no
    image.
    """

    prediction: CasePrediction
    unit: str
    exam_rows: tuple[Reference, ...]
    image_rows: Mapping[int, tuple[Reference, ...]]
    other_slice_rows: tuple[Reference, ...]

    @property
    def rows(self) -> tuple[Reference, ...]:
        """All rows on this case."""
        on_images = (row for rows in self.image_rows.values() for row in rows)
        return (*self.exam_rows, *on_images, *self.other_slice_rows)


@dataclass(frozen=True, eq=False)
class Join:
    """The joined cases, how many rows joined nothing, and what a reader should know of it."""

    cases: tuple[JoinedCase, ...]
    flow: Flow
    notes: tuple[str, ...]


def join(predictions: Sequence[CasePrediction], references: Sequence[Reference]) -> Join:
    """Join rows by `case` = `case_id` where they have one, else by `path` = `source`.

    A path joins the source that equals it, else the one source that is a suffix of it or that it
    is a suffix of, else the one case whose source lies below it (a DICOM folder). Slice rows join
    the image of their number, and may name the slice's own file; rows of a study of several films
    join the film that they name, unless all of them name the study's first file.

    Raises:
        ManifestError: Rows on one case that name different patients.
    """
    places = _Places(predictions)
    found = {key: places.find(*key) for key in dict.fromkeys(map(_key, references))}
    _drop_rivals(found)
    rows_of: dict[int, list[Reference]] = defaultdict(list)
    for reference in references:
        matches = found[_key(reference)].cases
        if len(matches) == 1:
            rows_of[next(iter(matches))].append(reference)
    _check_units(predictions, rows_of)
    sorted_slices = {
        number: _sort_slices(predictions[number], rows) for number, rows in rows_of.items()
    }
    cases = tuple(
        JoinedCase(
            prediction=predictions[number],
            unit=rows[0].resampling_unit,
            exam_rows=sorted_slices[number].exam,
            image_rows=sorted_slices[number].by_image,
            other_slice_rows=sorted_slices[number].other,
        )
        for number, rows in sorted(rows_of.items())
    )
    flow = _flow(predictions, cases, references, found, sorted_slices.values())
    return Join(cases, flow, _notes(references, found, flow))


_Key = tuple[str | None, str, bool]
_SOMEBODY_ELSE = -1


def _key(reference: Reference) -> _Key:
    return reference.case, reference.path, reference.slice is not None


class _Rank(IntEnum):
    """How a row found its prediction, the surest way first."""

    EXACT = 0
    SUFFIX = 1
    IMAGE_SUFFIX = 2
    FOLDER = 3


@dataclass(eq=False)
class _Match:
    """The predictions that a key may mean."""

    cases: frozenset[int]
    rank: _Rank


class _Places:
    """Predictions by case_id, by path, by every suffix of it and by every folder above it."""

    def __init__(self, predictions: Sequence[CasePrediction]) -> None:
        self.by_case: dict[str, set[int]] = defaultdict(set)
        self.exams = _Paths()
        self.images = _Paths()
        self.films = _Paths()
        for number, prediction in enumerate(predictions):
            self.by_case[prediction.case_id].add(number)
            self.exams.add(prediction.source, number)
            for source in {image.source for image in prediction.images}:
                self.images.add(source, number)
                if Stacks(prediction).are_films:
                    self.films.add(source, number)

    def find(self, case: str | None, path: str, is_slice: bool) -> _Match:  # noqa: FBT001 (a key's part)
        if case is not None:
            return _Match(frozenset(self.by_case.get(case, ())), _Rank.EXACT)
        parts = parts_of(path)
        images = self.images if is_slice else self.films
        tries = {
            _Rank.EXACT: self.exams.exact(parts) or images.exact(parts),
            _Rank.SUFFIX: self.exams.suffix(parts),
            _Rank.IMAGE_SUFFIX: images.suffix(parts),
            _Rank.FOLDER: self.exams.below(parts),
        }
        for rank, cases in tries.items():
            if cases:
                return _Match(frozenset(cases), rank)
        return _Match(frozenset(), _Rank.FOLDER)


class _Paths:
    def __init__(self) -> None:
        self.whole: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self.endings: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self.folders: dict[tuple[str, ...], set[int]] = defaultdict(set)

    def add(self, source: str, number: int) -> None:
        parts = parts_of(source)
        self.whole[parts].add(number)
        for cut in range(1, len(parts)):
            self.endings[parts[cut:]].add(number)
            self.folders[parts[:cut]].add(number)

    def exact(self, parts: tuple[str, ...]) -> set[int]:
        return self.whole.get(parts, set())

    def suffix(self, parts: tuple[str, ...]) -> set[int]:
        longer = self.endings.get(parts, set())
        shorter = (self.whole.get(parts[cut:], set()) for cut in range(1, len(parts)))
        return longer.union(*shorter)

    def below(self, parts: tuple[str, ...]) -> set[int]:
        return self.folders.get(parts, set())


def _drop_rivals(found: Mapping[_Key, _Match]) -> None:
    """A source that another path claims more surely, or as surely, is nobody's by suffix.

    The files of a series' slices may all claim their case.
    """
    claims: dict[int, dict[_Rank, set[str]]] = defaultdict(lambda: defaultdict(set))
    for (_, path, _), match in found.items():
        for number in match.cases if len(match.cases) == 1 else ():
            claims[number][match.rank].add(path)
    for (_, path, _), match in found.items():
        if len(match.cases) != 1 or match.rank in (_Rank.EXACT, _Rank.IMAGE_SUFFIX):
            continue
        (number,) = match.cases
        surer = any(rank < match.rank for rank in claims[number] if rank != _Rank.IMAGE_SUFFIX)
        if surer or claims[number][match.rank] != {path}:
            match.cases = match.cases | {_SOMEBODY_ELSE}


def _check_units(
    predictions: Sequence[CasePrediction], rows_of: Mapping[int, Sequence[Reference]]
) -> None:
    problems = [
        f"rows that join case {predictions[number].case_id} name different patients; a case has one"
        for number, rows in rows_of.items()
        if len({row.resampling_unit for row in rows}) > 1
    ]
    if problems:
        where = "the manifest"
        raise ManifestError(where, problems)


@dataclass(frozen=True, eq=False)
class _SortedSlices:
    exam: tuple[Reference, ...]
    by_image: Mapping[int, tuple[Reference, ...]]
    other: tuple[Reference, ...]
    ambiguous: int


def _sort_slices(prediction: CasePrediction, rows: Sequence[Reference]) -> _SortedSlices:
    by_image: dict[int, list[Reference]] = defaultdict(list)
    exam: list[Reference] = []
    other: list[Reference] = []
    ambiguous = 0
    numbers: dict[int, list[int]] = defaultdict(list)
    for index, image in enumerate(prediction.images):
        numbers[image.slice].append(index)
    film_of = _films_named(prediction, rows)
    for row in rows:
        if row.slice is None:
            film = film_of.get(row.path)
            (exam if film is None else by_image[film]).append(row)
            continue
        candidates = _of_own_file(prediction, numbers.get(row.slice, []), row)
        if len(candidates) == 1:
            by_image[candidates[0]].append(row)
        else:
            other.append(row)
            ambiguous += len(candidates) > 1
    frozen = {index: tuple(found) for index, found in by_image.items()}
    return _SortedSlices(tuple(exam), frozen, tuple(other), ambiguous)


def _films_named(prediction: CasePrediction, rows: Sequence[Reference]) -> dict[str, int]:
    """Of a study of several films, the film that each row without a slice names, by its path.

    Rows that name the first file alone may well mean the study: it is what stands for it.
    """
    stacks = Stacks(prediction)
    if not stacks.are_films:
        return {}
    named = {row.path: stacks.named_by(row.path) for row in rows if row.slice is None}
    found = {path: films[0] for path, films in named.items() if len(films) == 1}
    is_first = {prediction.images[film].source == prediction.source for film in found.values()}
    return {} if is_first == {True} else found


def _of_own_file(prediction: CasePrediction, candidates: list[int], row: Reference) -> list[int]:
    """Of several images with one number (several series), those whose file the row names."""
    if len(candidates) < 2:  # noqa: PLR2004 (nothing to choose from)
        return candidates
    wanted = parts_of(row.path)
    own = []
    for index in candidates:
        source = parts_of(prediction.images[index].source)
        shared = min(len(source), len(wanted))
        if source[-shared:] == wanted[-shared:]:
            own.append(index)
    return own or candidates


def _flow(
    predictions: Sequence[CasePrediction],
    cases: Sequence[JoinedCase],
    references: Sequence[Reference],
    found: Mapping[_Key, _Match],
    slices: Iterable[_SortedSlices],
) -> Flow:
    sizes = {(case or path): len(match.cases) for (case, path, _), match in found.items()}
    statuses = [case.prediction.status for case in cases]
    slice_sizes = [len(found[_key(row)].cases) for row in references if row.slice is not None]
    ambiguous = sum(part.ambiguous for part in slices)
    by_status = [(case.prediction.status is CaseStatus.SCORED, case) for case in cases]
    slice_flow = SliceFlow(
        scored=sum(
            row.slice is not None
            for _, case in by_status
            for rows in case.image_rows.values()
            for row in rows
        ),
        unscored=sum(len(case.other_slice_rows) for scored, case in by_status if scored)
        - ambiguous,
        not_judged=sum(len(case.other_slice_rows) for scored, case in by_status if not scored),
        unmatched=slice_sizes.count(0),
        ambiguous=sum(size > 1 for size in slice_sizes) + ambiguous,
    )
    return Flow(
        scored=statuses.count(CaseStatus.SCORED),
        refused=statuses.count(CaseStatus.REFUSED),
        failed=statuses.count(CaseStatus.FAILED),
        unmatched=sum(size == 0 for size in sizes.values()),
        ambiguous=sum(size > 1 for size in sizes.values()),
        without_reference=len(predictions) - len(cases),
        slices=slice_flow if slice_sizes else None,
    )


def _notes(
    references: Sequence[Reference], found: Mapping[_Key, _Match], flow: Flow
) -> tuple[str, ...]:
    notes = []
    has_case = any(row.case is not None for row in references)
    if flow.unmatched:
        how = "`case` joins case_id" if has_case else "`path` joins source"
        lone = counted(flow.unmatched, "case of the manifest joins", "cases of the manifest join")
        notes.append(f"{lone} no prediction ({how})")
    if has_case and not flow.scored + flow.refused + flow.failed:
        notes.append(
            "the manifest's column `case` holds no case_id of these predictions: fill it from"
            " summary.csv, or leave the column out to join by path"
        )
    if flow.ambiguous:
        notes.append(
            f"{counted(flow.ambiguous, 'case', 'cases')} of the manifest could be several"
            " predictions, or share one: left out; give longer paths, or `case`"
        )
    folders = sum(match.rank > _Rank.EXACT and len(match.cases) == 1 for match in found.values())
    if folders:
        paths = counted(folders, "path", "paths")
        notes.append(f"{paths} joined by a unique suffix or folder, not exactly")
    if flow.without_reference:
        rowless = counted(flow.without_reference, "prediction has", "predictions have")
        notes.append(f"{rowless} no row in the manifest")
    if flow.slices is not None and flow.slices.unscored:
        notes.append(
            f"{counted(flow.slices.unscored, 'slice row has', 'slice rows have')} no scored image"
            " (blank slices are not judged): in no figure of slices"
        )
    if flow.slices is not None and flow.slices.ambiguous:
        unclear = counted(flow.slices.ambiguous, "slice row", "slice rows")
        notes.append(f"{unclear} could be several images: left out")
    return tuple(notes)
