"""What an audit found, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from medrec.data.balance import Share
from medrec.data.duplicates import Near, NearDuplicates
from medrec.domain.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medrec.data.probe import ProbeResult

Kind = Literal["duplicates", "near_duplicates", "patients"]

_SHOWN = 20
_PAIRS = "near-duplicate pair", "near-duplicate pairs"
_BLANK = "slice that shows nothing but air was", "slices that show nothing but air were"


class Problem(NamedTuple):
    """What stops a training, unless a person overrules it by its kind."""

    kind: Kind
    text: str


class Unreadable(NamedTuple):
    """A file that nothing could be learned of: its first row's number, a reason code, evidence."""

    row: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found.

    `blocking` stops a training; `overruled` would have, and was allowed. `near` are pairs of rows
    of `Pictures`; `identical` counts groups of equal pictures. `faults` keep a model from learning
    of the rows at all; `unreadable` files and `blank` slices were not looked at.
    """

    pictures: int
    patients: int
    blocking: tuple[Problem, ...] = ()
    overruled: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    balance: tuple[Share, ...] = ()
    probes: tuple[ProbeResult, ...] = ()
    near: NearDuplicates = field(default_factory=lambda: NearDuplicates((), (), 0))
    identical: int = 0
    names: tuple[str, ...] = field(default=(), repr=False)
    faults: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    blank: int = 0

    def lines(self) -> list[str]:
        """Lines for a person: counts, what was overruled, warnings, the probe of each label."""
        return [
            (
                f"audit: {counted(self.pictures, 'picture', 'pictures')} of "
                f"{counted(self.patients, 'patient', 'patients')}; "
                f"{counted(self.identical, 'identical group', 'identical groups')}, "
                f"{counted(len(self.near.confirmed), *_PAIRS)} confirmed, "
                f"{len(self.near.unconfirmed)} more to look at"
            ),
            *self._say_unseen(),
            *(f"overruled ({problem.kind}): {problem.text}" for problem in self.overruled),
            *(f"warning: {text}" for text in self.warnings),
            *map(say_probe, self.probes),
        ]

    def problem_lines(self) -> list[str]:
        """What must be put right before a training, one line each."""
        leaks = [f"leak ({problem.kind}): {problem.text}" for problem in self.blocking]
        return [*(f"problem: {text}" for text in self.faults), *leaks]

    def _say_unseen(self) -> Iterator[str]:
        if self.blank:
            yield f"{counted(self.blank, *_BLANK)} left out"
        for file in self.unreadable[:_SHOWN]:
            yield f"unreadable: row {file.row}: {file.code}: {file.detail}"
        if len(self.unreadable) > _SHOWN:
            yield f"unreadable: {len(self.unreadable) - _SHOWN} more files, all in audit.json"

    def card_lines(self) -> list[str]:
        """What the model card says of the data: overruled problems first."""
        return [
            *(f"Overruled by the config ({p.kind}): {p.text}." for p in self.overruled),
            *(f"{say_probe(probe)}." for probe in self.probes),
            *(f"{text}." for text in self.warnings),
        ]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values (schema `medrec.audit/1`); rows by their names."""
        return {
            "schema": "medrec.audit/1",
            "pictures": self.pictures,
            "patients": self.patients,
            "blocking": [problem._asdict() for problem in self.blocking],
            "overruled": [problem._asdict() for problem in self.overruled],
            "faults": list(self.faults),
            "unreadable": [file._asdict() for file in self.unreadable],
            "blank_slices": self.blank,
            "warnings": list(self.warnings),
            "identical_groups": self.identical,
            "near_duplicates": {
                "confirmed": [self._pair(pair) for pair in self.near.confirmed],
                "unconfirmed": [self._pair(pair) for pair in self.near.unconfirmed],
                "compared": self.near.compared,
                "dropped": self.near.dropped,
            },
            "balance": [
                {name: getattr(share, name) for name in Share.__slots__} for share in self.balance
            ],
            "probes": {probe.label: _probe_json(probe) for probe in self.probes},
        }

    def _pair(self, pair: Near) -> dict[str, Any]:
        rows = [self.names[pair.first], self.names[pair.second]]
        return {"rows": rows, "correlation": pair.correlation}


def say_probe(probe: ProbeResult) -> str:
    """One line: what metadata alone tell of a label."""
    head = f"{probe.label} from metadata alone (site, size, intensity, position)"
    estimate = probe.estimate
    if estimate is None:
        return f"{head}: {probe.note}"
    interval = "" if estimate.low is None else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    alone = ", ".join(f"{name} {value:.2f}" for name, value in probe.telling)
    return f"{head}: AUROC {estimate.value:.3f}{interval}" + (f"; alone: {alone}" if alone else "")


def _probe_json(probe: ProbeResult) -> dict[str, Any]:
    estimate = probe.estimate
    figure = estimate and {name: getattr(estimate, name) for name in ("value", "low", "high",
                                                                       "method")}  # fmt: skip
    return {
        "auroc": figure,
        "telling": dict(probe.telling),
        "facts": list(probe.facts),
        "note": probe.note,
    }
