"""`medrec dataset import masks`: images and their masks to a manifest of labelled rows."""

from __future__ import annotations

from pathlib import Path

from medrec.data.importers import import_masks as read_masks
from medrec.data.mask_truth import MaskRule
from medrec.errors import UsageError
from medrec.workflows.importing import check_free, to_patient_of_path, write_imported


def import_masks(  # noqa: PLR0913 (each is an option)
    source: str | Path,
    *,
    out: str | Path,
    images: str,
    mask: str,
    rule: MaskRule | None = None,
    cases: str | Path | None = None,
    patient: str | None = None,
) -> str:
    """Write a manifest with one row a slice, or a case; returns lines that say what is in it.

    Args:
        source: The archive's folder.
        out: The manifest (CSV).
        images: Glob below `source`.
        mask: Path of the mask from its image's folder; `{stem}` stands for the image's name.
        rule: What the masks outline, and what counts; None is a tumor of any size, a row a slice.
        cases: CSV of attributes, one row a patient.
        patient: A regular expression that is searched for in paths below `source`; None takes the
            name of the image's folder.

    Raises:
        ManifestError: Images without a mask, masks of another grid, patients listed twice; all are
            listed.
        OutputError: The manifest exists already, or can't be written.
        UsageError: The pattern is no regular expression.
    """
    source, out = Path(source), check_free(out)
    rule = rule or MaskRule()
    tell = to_patient_of_path(patient) if patient is not None else None
    table = Path(cases) if cases else None
    rows = read_masks(source, images=images, mask=mask, rule=rule, cases=table, patient=tell)
    return write_imported(rows, root=source, out=out)


def to_rule(label: str, *, per: str, least_px: int, is_smaller_unknown: bool) -> MaskRule:
    """Make the rule that options ask for.

    Raises:
        UsageError: `per` is neither slice nor case, or no pixels are wanted.
    """
    if per not in {"slice", "case"}:
        message = f"--per {per}: wanted slice or case"
        raise UsageError(message)
    try:
        return MaskRule(
            label=label,
            per="case" if per == "case" else "slice",
            least_px=least_px,
            is_smaller_unknown=is_smaller_unknown,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
