"""How each `medrec dataset import` begins and ends: a free place, a manifest, and what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from medrec.data.manifest import spell_out, write_manifest
from medrec.data.patients import PatientOfPath, patient_of_path, search_of
from medrec.domain.counting import counted
from medrec.domain.reference import Reference
from medrec.errors import OutputError, UsageError
from medrec.workflows.relocating import relocate


def check_free(out: str | Path, *, option: str = "--out") -> Path:
    """See that nothing lies where the manifest goes, or another file that an option names.

    Raises:
        OutputError: Something does.
    """
    out = Path(out)
    try:
        is_taken = out.exists()
    except OSError as error:
        message = f"{option} {out}: can't be looked at ({error.strerror}): name another place"
        raise OutputError(message) from error
    if is_taken:
        message = f"{option} {out} exists: name another file, or remove it"
        raise OutputError(message)
    return out


def write_imported(
    references: Sequence[Reference],
    *,
    root: Path,
    out: Path,
    notes: Iterable[str] = (),
) -> str:
    """Write rows whose paths start at `root` as a manifest; returns lines that say what is in it.

    The first line counts rows, patients and labels; each further one is a note.

    Raises:
        OutputError: The folder can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(out, spell_out(relocate(references, root=root, folder=out.parent)))
    except OSError as error:
        message = f"--out {out}: can't be written ({error.strerror}): name another place"
        raise OutputError(message) from error
    patients = len({row.patient for row in references})
    is_sliced = any(row.slice is not None for row in references)
    kind = ("slice", "slices") if is_sliced else ("scan", "scans")
    of = counted(patients, "patient", "patients")
    counts = [f"{counted(len(references), *kind)} of {of}", *_counts(references)]
    further = [f"note: {note}" for note in (*notes, *_one_sided(references))]
    return "\n".join([f"{out}: {', '.join(counts)}", *further])


def to_patient_of_path(pattern: str) -> PatientOfPath:
    """Read the option `--patient`.

    Raises:
        UsageError: It is no regular expression.
    """
    try:
        return patient_of_path(pattern)
    except ValueError as error:
        message = f"--patient: {error}"
        raise UsageError(message) from error


def to_search(option: str, pattern: str) -> Callable[[str], bool]:
    """Read an option that chooses paths by a regular expression.

    Raises:
        UsageError: It is no regular expression.
    """
    try:
        return search_of(pattern)
    except ValueError as error:
        message = f"{option}: {error}"
        raise UsageError(message) from error


def to_pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Split `NAME=EXPRESSION` texts; a bare name is its own column.

    Raises:
        UsageError: A text without a name, or a name given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, expression = text.partition("=")
        if not name or name in pairs or (equals and not expression):
            message = f"{option} {text}: wanted NAME=COLUMN, each name once"
            raise UsageError(message)
        pairs[name] = expression or name
    return pairs


def _counts(references: Sequence[Reference]) -> Iterable[str]:
    for label in references[0].labels:
        truths = [row.labels[label] for row in references]
        unknown = truths.count(None)
        yield f"{truths.count(True)} with {label}" + (f" ({unknown} unknown)" if unknown else "")


def _one_sided(references: Sequence[Reference]) -> Iterable[str]:
    for label in references[0].labels:
        known = {row.labels[label] for row in references} - {None}
        if len(known) == 1:
            yield (
                f"label {label} is {int(known == {True})} wherever it is known: nothing can be "
                "trained or measured on these rows alone"
            )
        elif not known:
            yield f"label {label} is unknown in every row"
