"""How often rows are drawn, so that rare classes and small patients are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Balance = Literal["uniform", "class_balanced", "patient_balanced", "class_and_patient_balanced"]


def row_weights(
    targets: NDArray[np.float32], patients: Sequence[str], balance: Balance
) -> NDArray[np.float64]:
    """Chances (N,) of each row to be drawn, summing to 1.

    `class_balanced`: rows with the same known labels form a class, and classes are drawn equally
    often; `patient_balanced`: patients are; with both, classes, and within a class its patients.

    Args:
        targets: (N, K): 1, 0, or NaN where unknown.
        patients: The patient of each row.
        balance: What is drawn equally often.
    """
    _, classes = np.unique(np.nan_to_num(targets, nan=-1), axis=0, return_inverse=True)
    _, people = np.unique(np.asarray(patients), return_inverse=True)
    classes, people = classes.reshape(-1), people.reshape(-1)
    match balance:
        case "uniform":
            weights = np.ones(len(people))
        case "class_balanced":
            weights = _share(classes)
        case "patient_balanced":
            weights = _share(people)
        case "class_and_patient_balanced":
            _, pairs = np.unique(np.stack([classes, people]), axis=1, return_inverse=True)
            pairs = pairs.reshape(-1)
            of_class = np.zeros(classes.max() + 1)
            of_class += [len(np.unique(people[classes == c])) for c in range(len(of_class))]
            weights = _share(pairs) / of_class[classes]
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _share(groups: NDArray[np.intp]) -> NDArray[np.float64]:
    return 1.0 / np.bincount(groups)[groups]
