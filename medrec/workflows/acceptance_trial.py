"""One scan after the other: screened as it is, and with one lesion at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medrec.domain.codes import ReasonCode
from medrec.domain.finding import CasePrediction, CaseStatus, Decision, Label
from medrec.domain.series import Case, FileRecord, FileStatus
from medrec.errors import MedrecError, PlantingError, ScanError
from medrec.evaluation.overlap import centres_inside, to_array
from medrec.evaluation.trials import TriedLesion, TriedScan
from medrec.inference.screener import Screener
from medrec.inference.transfer import input_rise
from medrec.io.loading import load_volume
from medrec.lesions.grid import Cell, deal
from medrec.lesions.lesion import lesion_generator
from medrec.reporting.acceptance_pictures import MissedLesions
from medrec.reporting.regions import shown_regions
from medrec.workflows.acceptance_grounds import FindGround, Ground, PlantedScan, find_ground
from medrec.workflows.acceptance_recipe import Planned
from medrec.workflows.acceptance_scans import Scan

if TYPE_CHECKING:
    from medrec.domain.box import Box
    from medrec.domain.finding import RawRegion, Region
    from medrec.domain.volume import Volume
    from medrec.preprocess.pipeline import Preprocessor
    from medrec.preprocess.volumes import VolumePreprocessor

_LESION = 3  # the key of a lesion's own random numbers, beside those of the grid


@dataclass(frozen=True, eq=False)
class Bench:
    """What scans are tested with; `folder` holds one planted copy at a time.

    `finds_boxes` says that a hit is a box on the lesion, `find` what lesions are planted into.
    """

    screener: Screener
    preprocessor: Preprocessor | VolumePreprocessor
    planned: Planned
    primary: Label
    finds_boxes: bool
    lesions: int
    seed: int
    folder: Path
    missed: MissedLesions
    find: FindGround = find_ground


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a scan: how its files ended, and the test of it if lesions could be planted."""

    records: tuple[FileRecord, ...]
    tested: TriedScan | None = None
    unjudged: int = 0
    """Copies with a lesion that the model refused, unlike the scan itself."""
    unplaced: int = 0
    """Lesions that had no room in the scan."""


def try_scan(scan: Scan, bench: Bench, *, number: int) -> Tried:
    """Screen a scan as it is and with each of its lesions; it is number `number` of those tested.

    Raises:
        MedrecError: The model has no threshold, so that nothing is ever flagged.
    """
    outcome = bench.screener(scan.case)
    twin = outcome.prediction
    if twin.status is not CaseStatus.SCORED:
        return Tried(outcome.records)
    if twin.decision is Decision.DEFER:
        message = (
            "the model has no threshold for what it finds here, so that no lesion can be missed: "
            "calibrate it first, by `medrec calibrate`"
        )
        raise MedrecError(message)
    series = scan.case.series[0]
    try:
        volume = load_volume(series)
        ground = bench.find(series, volume, bench.planned)
        trial = _Trial(scan, bench, number, twin, volume, ground)
        return trial.run(outcome.records)
    except (PlantingError, ScanError) as error:
        return Tried(_refused(scan.case, error, outcome.records))


@dataclass(frozen=True, eq=False)
class _Trial:
    scan: Scan
    bench: Bench
    number: int
    twin: CasePrediction
    volume: Volume
    ground: Ground

    def run(self, records: tuple[FileRecord, ...]) -> Tried:
        lesions: list[TriedLesion] = []
        scale, most, unjudged = None, 0.0, 0
        without_room: list[PlantingError] = []
        for cell, planted in self._planted():
            if isinstance(planted, PlantingError):
                without_room.append(planted)
                continue
            after = self.bench.screener(replace(self.scan.case, series=(planted.series,)))
            if after.prediction.status is not CaseStatus.SCORED:
                unjudged += 1
                continue
            lesions.append(self._judge(cell, planted, after.prediction))
            if planted.raised > most:  # told best by what changes most
                scale, most = self._scale(planted), planted.raised
        if not lesions and without_room:
            raise without_room[0]
        if not lesions:
            return Tried(records, unjudged=unjudged)
        tested = TriedScan(
            case_id=str(self.scan.case.id),
            unit=self.scan.unit,
            attributes=self.scan.attributes,
            is_flagged=self.twin.decision is Decision.FLAG,
            is_known_clear=self.scan.is_known_clear,
            look=self.ground.look,
            lesions=tuple(lesions),
            scale=scale,
            width_mm=self.ground.width_mm,
        )
        return Tried(records, tested, unjudged, len(without_room))

    def _planted(self) -> Iterator[tuple[Cell, PlantedScan | PlantingError]]:
        bench = self.bench
        cells = deal(bench.planned.grid, scan=self.number, count=bench.lesions, seed=bench.seed)
        for lesion, cell in enumerate(cells):
            rng = lesion_generator(bench.seed, _LESION, self.number, lesion)
            try:
                yield cell, self.ground.plant(cell, rng, bench.folder)
            except PlantingError as error:
                yield cell, error

    def _judge(self, cell: Cell, planted: PlantedScan, after: CasePrediction) -> TriedLesion:
        if self.bench.finds_boxes:
            is_hit = self._lies_on(after, planted.box) and not self._lies_on(self.twin, planted.box)
        else:
            is_hit = after.decision is Decision.FLAG and self.twin.decision is not Decision.FLAG
        lesion = TriedLesion(
            size=cell.size,
            strength=cell.strength,
            zone=planted.zone,
            group=self.bench.planned.grid.group_of(cell.size),
            is_hit=is_hit,
            score_rise=self._logit(after) - self._logit(self.twin),
            contrast_to_noise=planted.contrast_to_noise,
            diameter_mm=planted.diameter_mm,
        )
        if not is_hit:
            self.bench.missed.offer(lesion, planted.picture, planted.box)
        return lesion

    def _lies_on(self, prediction: CasePrediction, lesion: Box) -> bool:
        return any(
            lies_on(region, lesion)
            for region in shown_regions(prediction)
            if region.label == self.bench.primary
        )

    def _logit(self, prediction: CasePrediction) -> float:
        finding = prediction.finding(self.bench.primary)
        assert finding is not None  # noqa: S101 (a scored case has one of each label)
        return finding.logit

    def _scale(self, planted: PlantedScan) -> float | None:
        """How much of the network's range the scan's step takes."""
        after = load_volume(planted.series)
        rise = input_rise(self.bench.preprocessor, self.volume, after, planted.box)
        return None if rise is None else rise / planted.raised * self.ground.step


def lies_on(region: Region | RawRegion, lesion: Box) -> bool:
    """Whether a region's centre lies in a lesion's box; a flat one on its own slice of it."""
    box, truth = region.box_px, lesion
    if box.is_flat and not lesion.is_flat:
        cut = lesion.on_slice(region.slice or 0)
        if cut is None:
            return False
        truth = cut
    return bool(centres_inside(to_array([box]), to_array([truth]))[0, 0])


def _refused(
    case: Case, error: PlantingError | ScanError, records: Iterable[FileRecord]
) -> tuple[FileRecord, ...]:
    """Rows of a scan that the model judges, and into which no lesion can be planted.

    Files that the screening left out keep their rows.
    """
    code = error.code if isinstance(error, ScanError) else ReasonCode.OUT_OF_SCOPE
    detail = error.detail if isinstance(error, ScanError) else str(error)
    detail = f"no lesion can be planted: {detail}"
    sources = [source for series in case.series for source in series.sources]
    kept = [record for record in records if record.path not in sources]
    refused = [FileRecord(source, FileStatus.REFUSED, case.id, code, detail) for source in sources]
    return (*refused, *kept)
