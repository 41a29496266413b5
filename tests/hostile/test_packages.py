"""Model packages that are foreign, changed or hostile: refused before a scan is read."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 (to make what medrec must not read)
import shutil

import pytest
import torch
import yaml
from hostile.dicom_inputs import image, put
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from medrec.cli.app import app
from medrec.package.checksums import write_checksums
from medrec.package.package import CALIBRATION, HOME, MANIFEST, OPERATING_POINTS, WEIGHTS


class Payload:
    """What runs when a pickle of it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def pickled(folder, ran):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Payload(ran)))


def torch_saved(folder, ran):
    torch.save({"weight": Payload(ran)}, folder / WEIGHTS)


def pickle_for_weights(folder, ran):
    (folder / WEIGHTS).unlink()
    (folder / "weights.pt").write_bytes(pickle.dumps(Payload(ran)))


def yaml_call(folder, ran):
    text = f"!!python/object/apply:builtins.open ['{ran}', w]\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def other_version(folder, _ran):
    change(folder, format="medrec.package/9")


def no_calibration(folder, _ran):
    path = folder / CALIBRATION
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "entries": []}), encoding="utf-8")


def another_network(folder, _ran):
    change(folder, model={**manifest(folder)["model"], "backbone": "resnet18"})


def unknown_network(folder, _ran):
    change(folder, model={**manifest(folder)["model"], "backbone": "../../hub:evil"})


def no_numbers(folder, _ran):
    weights = load_file(folder / WEIGHTS)
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    save_file({**weights, name: torch.full_like(weights[name], torch.nan)}, folder / WEIGHTS)


def fewer_members_than_it_says(folder, _ran):
    weights = load_file(folder / WEIGHTS)
    save_file({f"members.0.{name}": tensor for name, tensor in weights.items()}, folder / WEIGHTS)
    change(folder, members=2)


def members_that_it_says_nothing_of(folder, _ran):
    weights = load_file(folder / WEIGHTS)
    members = {f"members.{n}.{name}": t.clone() for name, t in weights.items() for n in (0, 1)}
    save_file(members, folder / WEIGHTS)


def countless_members(folder, _ran):
    change(folder, members=10**9)


def huge_header(folder, _ran):
    (folder / WEIGHTS).write_bytes((2**62).to_bytes(8, "little") + b"{}")


def few_words_for_billions(folder, _ran):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    text = yaml.safe_dump({**manifest(folder), "labels": None}).replace(
        "labels: null", "labels: *a11"
    )
    (folder / MANIFEST).write_text("\n".join([*lines, text]), encoding="utf-8")


def deep_yaml(folder, _ran):
    (folder / MANIFEST).write_text("[" * 100_000, encoding="utf-8")


def deep_points(folder, _ran):
    (folder / OPERATING_POINTS).write_text("[" * 100_000, encoding="utf-8")


def deep_json(folder, _ran):
    (folder / CALIBRATION).write_text("[" * 100_000, encoding="utf-8")


def long_number(folder, _ran):
    (folder / CALIBRATION).write_text("9" * 5000, encoding="utf-8")


def no_date(folder, _ran):
    text = (folder / MANIFEST).read_text(encoding="utf-8")
    (folder / MANIFEST).write_text(f"{text}\nmade: 2026-99-99\n", encoding="utf-8")


def deep_home(folder, _ran):
    (folder / HOME).write_text('{"a":' * 100_000, encoding="utf-8")


def home_of_words(folder, _ran):
    (folder / HOME).write_text(
        '{"schema": "medrec.acceptance/1", "lines": "all"}', encoding="utf-8"
    )


def home_of_bytes(folder, _ran):
    (folder / HOME).write_bytes(bytes(range(256)))


def manifest(folder):
    return yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))


def change(folder, **facts):
    text = yaml.safe_dump({**manifest(folder), **facts})
    (folder / MANIFEST).write_text(text, encoding="utf-8")


HOSTILE = (
    pickled,
    torch_saved,
    pickle_for_weights,
    yaml_call,
    other_version,
    no_calibration,
    another_network,
    unknown_network,
    no_numbers,
    fewer_members_than_it_says,
    members_that_it_says_nothing_of,
    countless_members,
    huge_header,
    few_words_for_billions,
    deep_yaml,
    deep_points,
    deep_json,
    long_number,
    no_date,
    deep_home,
    home_of_words,
    home_of_bytes,
)


@pytest.mark.parametrize("spoil", HOSTILE)
@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_hostile_package_is_one_message_before_a_scan_is_read(
    tmp_path, brain_model, spoil, is_sealed
):
    model, ran, out = tmp_path / "model", tmp_path / "ran", tmp_path / "out"
    shutil.copytree(brain_model.folder, model)
    spoil(model, ran)
    if is_sealed:  # by its maker: the checksums are right
        write_checksums(model)
    put(image(), tmp_path / "scans" / "scan.dcm")

    command = ["screen", str(tmp_path / "scans"), "--model", str(model), "--out", str(out)]
    outcome = CliRunner().invoke(app, command)

    assert 1 == outcome.exit_code, outcome.exception
    assert "\nmedrec: " in outcome.stderr
    assert len(outcome.stderr) < 5000
    assert "Traceback" not in outcome.output
    assert not ran.exists()
    assert not out.exists()
