"""One pretraining, from first weights to averaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from medrec.training.fit import quietly
from medrec.training.memory import enough_memory
from medrec.training.trainer import build_trainer

if TYPE_CHECKING:
    from pathlib import Path

    from medrec.models.encoders import PictureEncoder, VolumeEncoder
    from medrec.training.contrastive import Contrast
    from medrec.training.masked import Masking
    from medrec.training.self_supervised import PretrainRecord
    from medrec.training.settings import FitSettings

_LAST = "last.ckpt"
_PREFIX = "encoder."


def pretrain_encoder(
    encoder: PictureEncoder | VolumeEncoder,
    task: Contrast | Masking,
    *,
    settings: FitSettings,
    folder: Path,
    device: str = "auto",
    resume: bool = False,
) -> tuple[PretrainRecord, ...]:
    """Teach an encoder, which is changed in place, without labels.

    Args:
        encoder: With first weights; ends with averaged ones, on the CPU, in evaluation mode.
        task: What it learns, and from what.
        settings: Schedule and optimiser.
        folder: Holds last.ckpt, from which a cut run resumes.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        resume: Go on from last.ckpt where there is one; the result is that of an uncut run.

    Returns:
        One record an epoch.
    """
    last = folder / _LAST
    with quietly(), enough_memory(), torch.random.fork_rng():
        torch.manual_seed(settings.seed)  # of the layers that are thrown away at the end
        module: Any = task.module(encoder, settings)  # type: ignore[arg-type]  # as it was configured
        trainer = build_trainer(settings, folder, device=device, choose_best=False)
        trainer.fit(
            module,
            task.loader(settings),
            ckpt_path=str(last) if resume and last.exists() else None,
            weights_only=True,  # our own file, and still nothing but tensors and plain values
        )
    content = torch.load(last, map_location="cpu", weights_only=True)  # noqa: TID251 (our own)
    state = {k: v for k, v in content["state_dict"].items() if k.startswith(_PREFIX)}
    encoder.load_state_dict({name.removeprefix(_PREFIX): value for name, value in state.items()})
    encoder.cpu().eval()
    history: list[PretrainRecord] = module.history
    return tuple(history)
