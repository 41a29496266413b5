"""`medrec dataset audit`: what is wrong with a manifest's data, before anybody trains on it."""

from __future__ import annotations

from pathlib import Path

from medrec.config.preprocess import PreprocessConfig
from medrec.data.audit import audit_pictures, describe_pictures
from medrec.data.audit_report import AuditReport
from medrec.data.dataset import prepare_slices
from medrec.data.manifest import read_manifest
from medrec.data.quality import find_data_problems, read_sizes
from medrec.data.splits import read_splits
from medrec.errors import ManifestError
from medrec.preprocess.build import build_preprocessor
from medrec.workflows.auditing import each_picture, name_rows, write_audit
from medrec.workflows.output import prepare_output

_SIZE_PX = 256


def audit(
    manifest: str | Path, *, splits: str | Path | None = None, out: str | Path | None = None
) -> AuditReport:
    """Audit the scans of a manifest; write audit.json and a contact sheet into `out`, if given.

    Raises:
        ManifestError: Rows, files or labels that nothing can be trained on; all are listed.
        OutputError: The folder is in use or can't be written.
    """
    path = Path(manifest)
    references = read_manifest(path)
    labels = list(dict.fromkeys(label for row in references for label in row.labels))
    problems = find_data_problems(references, root=path.parent, labels=labels)
    if problems:
        raise ManifestError(str(path), problems)
    plan = read_splits(Path(splits), references) if splits else None
    if out:
        prepare_output(Path(out))
    prepare = build_preprocessor(PreprocessConfig(size_px=_SIZE_PX))
    slices = prepare_slices(references, root=path.parent, prepare=prepare, labels=labels)
    pictures = describe_pictures(
        each_picture(slices),
        slices.references,
        digests=slices.digests(),
        names=name_rows(slices.references, references),
        sizes=read_sizes(slices.references, path.parent),
    )
    report = audit_pictures(pictures, labels, plan=plan)
    if out:
        write_audit(Path(out), report, pictures)
    return report
