"""`medrec pretrain`: first weights from scans without labels, in one run folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from safetensors.torch import save_file

from medrec.config.base import read_config
from medrec.config.pretraining import EncoderConfig, PretrainConfig, VolumeEncoderConfig
from medrec.data.build import build_unlabelled
from medrec.data.dataset import SliceDataset, prepare_slices
from medrec.domain.counting import counted
from medrec.errors import OutputError, UsageError
from medrec.inference.device import pick_device
from medrec.preprocess.build import build_preprocessor
from medrec.training.build import build_encoder, build_settings, build_task
from medrec.training.pretraining import pretrain_encoder
from medrec.training.ranks import find_ranks, refuse_ranks
from medrec.workflows.fitting import Say
from medrec.workflows.output import prepare_output, read_run, write_run
from medrec.workflows.packaging import digest_of_pictures
from medrec.workflows.stages import Stages
from medrec.workflows.versions import digest_of, versions

if TYPE_CHECKING:
    from medrec.training.self_supervised import PretrainRecord

BACKBONE = "backbone.safetensors"
_HISTORY = "history.json"
_CURVE = "curve.png"


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """The weights that a training can begin with, and how they came about."""

    weights: Path
    sha256: str
    network: str
    """The lines of a training config that name the network."""
    history: tuple[PretrainRecord, ...]

    def summary_lines(self) -> list[str]:
        """The last epoch, and what to write into a training's config."""
        last = self.history[-1]
        found = "" if last.matched is None else f", {last.matched:.0%} of the views matched"
        weights = f"{{kind: file, path: {json.dumps(str(self.weights))}, sha256: {self.sha256}}}"
        return [
            f"epoch {last.epoch + 1}: loss {last.loss:.3f}{found}",
            "into the config of a training:",
            "model:",
            f"  {self.network}",
            f"  weights: {weights}",
        ]


def pretrain(
    config: str | Path,
    *,
    out: str | Path,
    device: str = "auto",
    resume: bool = False,
    overrides: Sequence[str] = (),
    say: Say | None = None,
) -> PretrainResult:
    """Teach a backbone what scans look like, without labels; write its weights into a run folder.

    Raises:
        MedrecError: lightly isn't installed; a config, data, splits, weights or output folder that
            can't be used; nobody knows which patients are held out.
    """
    path, out, say = Path(config), Path(out), say or _silent
    _check_lightly()
    asked = read_config(path, PretrainConfig, overrides=overrides)
    references, root = build_unlabelled(
        asked.data, splits=asked.splits, patients=asked.patients, folder=path.parent
    )
    refuse_ranks(find_ranks(), devices=1, nodes=1)  # one process alone pretrains
    prepare_output(out, resume=resume)
    _begin(out, asked)
    stages, device = Stages(), pick_device(device)
    with stages("prepare"):
        slices = prepare_slices(
            references, root=root, prepare=build_preprocessor(asked.preprocess), labels=()
        )
    patients = len({row.patient for row in references})
    pictures = counted(len(slices), "picture", "pictures")
    of = counted(patients, "patient", "patients")
    say(f"{pictures} of {of}, {slices.blank} blank left out")
    with stages("fit"):
        history = _fit(asked, slices, out, device=device, resume=resume)
    weights = out / BACKBONE
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    facts = {
        "patients": patients,
        "pictures": len(slices),
        "data_digest": digest_of_pictures(slices.digests()),
        "sha256": sha256,
    }
    _write(out, asked, {"finished": True, "device": device, "seconds": stages.seconds, **facts})
    return PretrainResult(weights, sha256, _network(asked), history)


def _fit(
    config: PretrainConfig, slices: SliceDataset, out: Path, *, device: str, resume: bool
) -> tuple[PretrainRecord, ...]:
    encoder = build_encoder(config.model, size_px=config.preprocess.size_px, seed=config.seed)
    history = pretrain_encoder(
        encoder,
        build_task(config, slices),
        settings=build_settings(config.fit, seed=config.seed),
        folder=out,
        device=device,
        resume=resume,
    )
    text = json.dumps([asdict(record) for record in history], indent=2)
    (out / _HISTORY).write_text(text + "\n", encoding="utf-8")
    _draw_curve(history, out / _CURVE)
    save_file(encoder.backbone_state(), out / BACKBONE)
    (out / BACKBONE).chmod(0o644)  # as the other files: safetensors makes it for its owner alone
    return history


def _network(config: PretrainConfig) -> str:
    match config.model:
        case EncoderConfig(backbone=backbone):
            return f"backbone: {backbone}"
        case VolumeEncoderConfig(architecture=architecture):
            return f"kind: classifier_3d\n  architecture: {architecture}"


def _draw_curve(history: Sequence[PretrainRecord], path: Path) -> None:
    """Loss by epoch and, where views are matched, the share that was matched."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    epochs = [record.epoch + 1 for record in history]
    axes.plot(epochs, [record.loss for record in history], "o-", color="tab:blue")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss", color="tab:blue")
    matched = [record.matched for record in history if record.matched is not None]
    if len(matched) == len(history):
        share = axes.twinx()
        share.plot(epochs, matched, "s--", color="tab:orange")
        share.set_ylim(0, 1)
        share.set_ylabel("share of views matched", color="tab:orange")
    figure.savefig(path, dpi=100)


def _check_lightly() -> None:
    if find_spec("lightly") is None:
        message = "pretraining needs lightly: pip install medrec[pretrain]"
        raise UsageError(message)


def _silent(_: str) -> None:
    """Report progress to nobody."""


def _begin(out: Path, config: PretrainConfig) -> None:
    """Note what was asked; a resumed run must be the same."""
    earlier = read_run(out)
    if any(out.iterdir()) and earlier.get("verb") != "pretrain":
        message = f"--resume: {out} was not made by `medrec pretrain`: name another --out"
        raise OutputError(message)
    if earlier.get("config_digest", _digest(config)) != _digest(config):
        message = f"--resume: {out} was begun with another config; use that, or another --out"
        raise OutputError(message)
    _write(out, config, {"finished": False})


def _digest(config: PretrainConfig) -> str:
    return digest_of(config, without={"data": {"root": True}})


def _write(out: Path, config: PretrainConfig, facts: dict[str, Any]) -> None:
    asked = {"config_digest": _digest(config), "config": config.model_dump(mode="json")}
    write_run(
        out, {"verb": "pretrain", **facts, "versions": versions() | versions(["lightly"]), **asked}
    )
