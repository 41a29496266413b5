"""The journal of predictions: one JSON line a case, on disk before the next case starts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from medrec.domain.finding import CasePrediction, Finding, Region
from medrec.errors import PredictionsError

SCHEMA = "medrec.prediction/1"
FILE_NAME = "predictions.jsonl"

_PREDICTION = TypeAdapter(CasePrediction)


def to_line(prediction: CasePrediction) -> str:
    """Write a prediction as one JSON line, without a line end; what is None or empty is left out.

    Raises:
        ValueError: A number is not finite.
    """
    content: dict[str, Any] = _PREDICTION.dump_python(prediction, exclude_none=True)
    content = {key: value for key, value in content.items() if value != ()}
    for region in content.get("regions", ()):
        if not region["attributes"]:
            del region["attributes"]
    return json.dumps({"schema": SCHEMA, **content}, ensure_ascii=False, allow_nan=False)


def from_line(line: str, *, where: str) -> CasePrediction:
    """Read one line; `where` names file and line in errors.

    Raises:
        PredictionsError: No JSON object of this schema, or one that contradicts itself.
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PredictionsError(where, ["the line is no JSON"]) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else None
        problem = f"schema is {found!r}, wanted {SCHEMA!r}: is this a predictions journal?"
        raise PredictionsError(where, [problem])
    try:
        prediction = _PREDICTION.validate_json(line)
    except ValidationError as error:
        raise PredictionsError(where, _problems(error)) from error
    if _count_probabilities(content) != _count_findings(prediction):
        # A finding whose probability is wrong would otherwise pass for a bare score.
        raise PredictionsError(where, ["findings and regions: a probability lies in [0, 1]"])
    return prediction


def read_journal(path: Path) -> list[CasePrediction]:
    """Read a journal, or the one in an output folder; a case's last line counts.

    A last line that a kill cut off is dropped. (A case that failed may be tried again: then it has
    two lines.)

    Raises:
        PredictionsError: There is no journal, or a line of it can't be read; all are listed.
    """
    path = path / FILE_NAME if path.is_dir() else path
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        problem = f"can't be read ({error.strerror}): name a predictions.jsonl or its folder"
        raise PredictionsError(str(path), [problem]) from error
    if _is_torn(lines[-1]):
        lines.pop()
    found: dict[str, CasePrediction] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                prediction = _from_bytes(line, where=f"line {number}")
                found[prediction.case_id] = prediction
        except PredictionsError as error:
            problems += [f"line {number}: {problem}" for problem in error.problems]
    if problems:
        raise PredictionsError(str(path), problems)
    return list(found.values())


class Journal:
    """An append-only predictions.jsonl; a line is on disk when `append` returns.

    A torn last line, left by a kill, is cut off on opening.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        is_new = not path.exists()
        self._file = path.open("ab+", buffering=0)
        if is_new:
            _sync_folder(path.parent)
        else:
            self._mend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, prediction: CasePrediction) -> None:
        """Write one line and wait until it is on disk."""
        self._file.write(to_line(prediction).encode() + b"\n")
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self._file.close()

    def _mend(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        tail = content.rpartition(b"\n")[2]
        if not tail:
            return
        if _is_torn(tail):
            self._file.truncate(len(content) - len(tail))
        else:
            self._file.write(b"\n")
        os.fsync(self._file.fileno())


def _from_bytes(line: bytes, *, where: str) -> CasePrediction:
    try:
        return from_line(line.decode(), where=where)
    except UnicodeDecodeError as error:
        raise PredictionsError(where, ["the line is no UTF-8"]) from error


def _is_torn(tail: bytes) -> bool:
    """Whether what follows the last line end is no whole JSON value."""
    try:
        json.loads(tail)
    except (ValueError, RecursionError):
        return True
    return False


def _problems(error: ValidationError) -> list[str]:
    """Pydantic's findings without the values, which may be paths."""
    return [
        f"{'.'.join(map(str, found['loc'])) or 'line'}: {found['msg']}"
        for found in error.errors(include_input=False, include_url=False)
    ]


def _count_probabilities(content: dict[str, Any]) -> int:
    parts = [content, *content.get("images", ())]
    every = [*(part.get("findings", ()) for part in parts), content.get("patient_findings", ())]
    every.append(content.get("regions", ()))
    return sum("probability" in finding for findings in every for finding in findings)


def _count_findings(prediction: CasePrediction) -> int:
    images = (image.findings for image in prediction.images)
    every = [prediction.findings, prediction.patient_findings, *images]
    calibrated = sum(isinstance(region, Region) for region in prediction.regions)
    return calibrated + sum(
        isinstance(finding, Finding) for findings in every for finding in findings
    )


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut, not only its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
