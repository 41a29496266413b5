"""Whose weights a held-out training ships: the best epoch's, or the last one's."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from medrec.workflows.train import train
from tests.training_factory import a_config, write_config, write_films

SPLITS = ("train", "tune", "calibrate", "test") * 4
FILMS = [
    "high",
    "high",
    "high",
    "high",
    None,
    None,
    None,
    None,
] * 26  # as many patients as aren't cross-fitted


def weights_of(checkpoint):
    state = torch.load(checkpoint, weights_only=True)["state_dict"]  # noqa: TID251 (our own)
    return {name.removeprefix("network."): value for name, value in state.items()}


@pytest.mark.parametrize(("keep", "kept"), [("best", "best"), ("last", "last")])
def test_the_epoch_that_was_asked_for_ships(tmp_path, keep, kept):
    manifest = write_films(tmp_path, FILMS, splits=SPLITS)
    fit = {**a_config(manifest)["fit"], "epochs": 3, "keep": keep}
    config = write_config(tmp_path, manifest, fit=fit, audit={"allow": ["near_duplicates"]})

    result = train(config, out=tmp_path / "run", device="cpu")

    shipped = load_file(result.package.folder / "weights.safetensors")
    expected = weights_of(tmp_path / f"run/final/{kept}.ckpt")
    assert all(torch.equal(value, expected[name].half().to(value.dtype))
               for name, value in shipped.items() if value.is_floating_point())  # fmt: skip


def test_tune_patients_who_learn_are_in_the_network_and_in_no_choice(tmp_path):
    manifest = write_films(tmp_path, FILMS, splits=SPLITS)
    fit = {**a_config(manifest)["fit"], "tune": "learn"}
    config = write_config(tmp_path, manifest, fit=fit, audit={"allow": ["near_duplicates"]})
    said = []

    train(config, out=tmp_path / "run", device="cpu", say=said.append)

    learning = FILMS[0::4] + FILMS[1::4]  # of four, one trains and one tunes
    assert f"final: fitting on {len(learning)} films" in said
    assert not (tmp_path / "run/final/best.ckpt").exists()
    assert (tmp_path / "run/summary.html").read_text().count(">weights</td>") == 2
