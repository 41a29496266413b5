"""medrec: calibrated, explained and evaluated tumor screening of X-ray and MRI scans.

Every verb of the command line is a function here, of the same name and arguments. Names load when
they are first used, so that `import medrec` and `medrec --help` load no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medrec.errors import MedrecError
    from medrec.workflows.acceptance import acceptance
    from medrec.workflows.audit import audit
    from medrec.workflows.calibrate import calibrate
    from medrec.workflows.configure import configure
    from medrec.workflows.deidentify import deidentify
    from medrec.workflows.evaluate import evaluate
    from medrec.workflows.inspect import inspect
    from medrec.workflows.plant import plant
    from medrec.workflows.pretrain import pretrain
    from medrec.workflows.report import report
    from medrec.workflows.screen import screen
    from medrec.workflows.train import train

__version__ = "0.1.0"

__all__ = [
    "MedrecError",
    "acceptance",
    "audit",
    "calibrate",
    "configure",
    "deidentify",
    "evaluate",
    "inspect",
    "plant",
    "pretrain",
    "report",
    "screen",
    "train",
]

_HOMES = {
    "MedrecError": "medrec.errors",
    **{verb: f"medrec.workflows.{verb}" for verb in __all__ if verb.islower()},
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the module protocol's own signature)
    """Load a public name from its home when it is first used (PEP 562)."""
    if name not in _HOMES:
        message = f"module 'medrec' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
