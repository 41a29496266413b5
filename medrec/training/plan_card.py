"""What the model card can say before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.training.choice import Choice

if TYPE_CHECKING:
    from medrec.data.fingerprint import Fingerprint
    from medrec.training.choice import Asked


def choose_card(
    fingerprint: Fingerprint, asked: Asked, *, what: str = "Probability"
) -> dict[str, Choice]:
    """What numbers tell, and a TODO for the rest; `what` is what the model gives of the label."""
    truth, scans = fingerprint.truth, fingerprint.scans
    counts = truth.labels[asked.primary]
    where = f"{'/'.join(asked.modality)} scans of the {'/'.join(asked.body_part).lower()}"
    kind = "films" if scans.kind == "film" else "scans"
    facts = (
        f"{scans.count} {kind} of {truth.patients} patients, {counts.positive_patients} of them "
        f"with {asked.primary}"
    )
    todo = "TODO, by a person: no number tells it"
    return {
        "summary": Choice(f"{what} of {asked.primary} in {where}.", todo),
        "intended_use": Choice(
            "TODO: say for whom and beside which reader. Research only until that is stated.", todo
        ),
        "limits": Choice(
            [
                f"Trained on {facts}; nothing is known of other patients and scanners.",
                "TODO: say how the labels were made, and whom the archive leaves out.",
            ],
            "the facts are filled in; TODO: the rest",
        ),
        "training_data": Choice(
            f"{facts}. TODO: name the hospitals, the years and the terms of use.", todo
        ),
        "license": Choice(
            "LicenseRef-TODO", "TODO: an SPDX expression; the data's terms may bind the weights"
        ),
    }
