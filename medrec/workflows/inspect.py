"""`medrec inspect`: what a folder holds and what would become of it; loads no torch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from textwrap import indent
from typing import TYPE_CHECKING, Any, TextIO

from medrec.config.base import read_config
from medrec.config.selection import RulesConfig
from medrec.domain.codes import ReasonCode
from medrec.domain.counting import counted
from medrec.domain.ids import to_patient_key
from medrec.domain.series import FileRecord
from medrec.errors import ScanError
from medrec.inference.gate import check_header, check_volume
from medrec.io.build import build_rules
from medrec.io.counted import Counted
from medrec.io.index import open_index
from medrec.io.loading import load_volume
from medrec.io.patient_key import load_key
from medrec.io.selection import choose, left_out_status, select
from medrec.package.package import open_package
from medrec.package.store import find_model

if TYPE_CHECKING:
    from medrec.domain.series import Case, Series
    from medrec.domain.volume import Volume
    from medrec.io.selection import Rules
    from medrec.package.contract import InputContract


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """One series: its facts, whether it would be screened, and the rule that decided."""

    case: str
    source: str
    format: str
    modality: str
    sequence: str
    images: int
    spacing: str
    verdict: str
    rule: str = ""
    decoded: str = ""


@dataclass(frozen=True, slots=True)
class InspectReport:
    """All series of a folder, and the files that belong to none.

    Both can be counted and gone through again; `open_report` leaves them on disk.
    """

    series: Collection[SeriesReport]
    other_files: Collection[FileRecord]
    case_count: int
    is_decoded: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "series": [asdict(one) for one in self.series],
            "other_files": json.loads(json.dumps([asdict(record) for record in self.other_files])),
        }

    def json_lines(self) -> Iterator[str]:
        """`to_json` as indented text, line by line: of a large folder it is never held whole."""
        yield "{"
        yield from _json_list("series", self.series, end=",")
        yield from _json_list("other_files", self.other_files, end="")
        yield "}"

    def series_rows(self) -> Iterator[list[str]]:
        """The table of series."""
        without = {"rule"} if self.is_decoded else {"rule", "decoded"}  # the verdict names the rule
        for one in self.series:
            yield [str(value) for name, value in asdict(one).items() if name not in without]

    def file_rows(self) -> Iterator[list[str]]:
        """The table of files that belong to no series."""
        for record in self.other_files:
            yield [record.path, record.status, record.code, record.detail]

    def summary(self) -> str:
        """One line of counts."""
        other = Counter(str(record.status) for record in self.other_files)
        counts = ", ".join(f"{count} {status}" for status, count in sorted(other.items()))
        cases = counted(self.case_count, "case", "cases")
        return f"{cases}, {len(self.series)} series; other files: {counts or 'none'}"


def inspect(
    scans: str | Path, *, rules: str | Path | None = None, decode: bool = False
) -> InspectReport:
    """List the cases and series of a folder, and what would become of each.

    `rules` is a file of `kind: rules`, or a model: then its input contract applies, and the rules
    that it carries, if any.

    Raises:
        MedrecError: Scans, rules or model that aren't there or can't be used.
    """
    with open_report(scans, rules=rules, decode=decode) as report:
        return replace(report, series=tuple(report.series), other_files=tuple(report.other_files))


@contextmanager
def open_report(
    scans: str | Path, *, rules: str | Path | None = None, decode: bool = False
) -> Iterator[InspectReport]:
    """The same for a folder of any size: the report lies on disk until the context ends.

    Raises:
        MedrecError: Scans or model that aren't there.
    """
    judge = _to_judge(rules, decode=decode)
    key = load_key()
    with (
        open_index(
            Path(scans), patient_key=lambda patient: to_patient_key(patient, key=key)
        ) as index,
        TemporaryFile("w+", encoding="utf-8", prefix="medrec-") as file,
    ):
        count = 0
        for case in index.cases:
            for report in judge(case):
                file.write(json.dumps(asdict(report)) + "\n")
                count += 1
        series = Counted(count, lambda: _read_reports(file))
        yield InspectReport(series, index.records, len(index.cases), is_decoded=decode)


def _read_reports(file: TextIO) -> Iterator[SeriesReport]:
    """What would be judged, and then what would be skipped."""
    for is_skipped in (False, True):
        file.seek(0)
        for line in file:
            report = SeriesReport(**json.loads(line))
            if report.verdict.startswith("skipped") is is_skipped:
                yield report


def _json_list(
    name: str, things: Collection[SeriesReport | FileRecord], *, end: str
) -> Iterator[str]:
    """A member of an object, laid out as `json.dumps(indent=2)` does."""
    if not things:
        yield f'  "{name}": []{end}'
        return
    yield f'  "{name}": ['
    for number, thing in enumerate(things, start=1):
        text = indent(json.dumps(asdict(thing), indent=2), "    ")
        yield text if number == len(things) else text + ","
    yield f"  ]{end}"


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says of each series of a case what `screen` would do with it."""

    contract: InputContract | None
    rules: Rules | None
    decode: bool

    def __call__(self, case: Case) -> Iterator[SeriesReport]:
        choices = choose(case.series, self.rules) if self.rules else ()
        rule_of = {id(choice.series): choice.rule or "(default)" for choice in choices}
        selected = select(case, self.rules)
        yield from _beside_chosen(
            [self._describe(case.id, one, rule_of.get(id(one), "")) for one in selected.series]
        )
        for series, reason in selected.left_out:
            status = left_out_status(selected)
            verdict = f"{status}: {reason.code} ({reason.detail})"
            yield _row(case.id, series, verdict, rule=rule_of.get(id(series), ""))

    def _describe(self, case_id: str, series: Series, rule: str) -> SeriesReport:
        try:
            verdict = self._verdict(series, rule)
            if not self.decode:
                return _row(case_id, series, verdict, rule=rule)
            volume = load_volume(series)
            if self.contract:
                check_volume(volume, self.contract)
            return _row(case_id, series, verdict, rule=rule, decoded=_decoded(volume))
        except ScanError as error:
            return _row(case_id, series, f"refused: {error}", rule=rule)

    def _verdict(self, series: Series, rule: str) -> str:
        notes = check_header(series.first, self.contract) if self.contract else ()
        details = [f"rule '{rule}'" if rule != "(default)" else "by default"] if rule else []
        details += [note.detail for note in notes]
        if self.contract or self.rules:
            verdict = "chosen"
        else:
            verdict = "readable" if self.decode else "readable header"
        return f"{verdict} ({'; '.join(details)})" if details else verdict


def _beside_chosen(reports: list[SeriesReport]) -> list[SeriesReport]:
    """What is out of scope isn't refused where another series of the study is judged."""
    if not any(report.verdict.startswith("chosen") for report in reports):
        return reports
    refused, skipped = f"refused: {ReasonCode.OUT_OF_SCOPE}", f"skipped: {ReasonCode.NOT_SELECTED}"
    return [replace(one, verdict=one.verdict.replace(refused, skipped, 1)) for one in reports]


def _to_judge(rules: str | Path | None, *, decode: bool) -> _Judge:
    if rules is None:
        return _Judge(None, None, decode)
    if Path(rules).is_file():
        return _Judge(None, build_rules(read_config(Path(rules), RulesConfig)), decode)
    manifest = open_package(find_model(rules)).manifest
    return _Judge(manifest.input, build_rules(manifest.rules), decode)


def _decoded(volume: Volume) -> str:
    digest = hashlib.sha256(volume.voxels.tobytes()).hexdigest()[:12]
    shape = " x ".join(str(side) for side in volume.voxels.shape[1:])
    low, high = float(volume.voxels.min()), float(volume.voxels.max())
    return f"{shape}, {low:g} to {high:g}, sha256 {digest}"


def _row(
    case_id: str, series: Series, verdict: str, *, rule: str = "", decoded: str = ""
) -> SeriesReport:
    first = series.first
    images = len(series.headers) if len(series.headers) > 1 else first.shape[2]
    return SeriesReport(
        case=case_id,
        source=first.source,
        format=first.format,
        modality=first.modality or "unknown",
        sequence=first.sequence or "unknown",
        images=images,
        spacing=str(first.spacing or "unknown"),
        verdict=verdict,
        rule=rule,
        decoded=decoded,
    )
