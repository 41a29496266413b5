from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from package_factory import a_package
from safetensors.torch import load_file, save_file

from medrec.errors import PackageError
from medrec.package.build import load_network
from medrec.package.checksums import write_checksums
from medrec.package.package import (
    CALIBRATION,
    CARD,
    LICENSE,
    MANIFEST,
    OPERATING_POINTS,
    WEIGHTS,
    open_package,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return a_package(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(tmp_path, sound):
    """A copy to spoil."""
    return shutil.copytree(sound.folder, tmp_path / "model")


def change(folder, **facts):
    """Change facts of package.yaml and seal it again, as a careless maker would."""
    path = folder / MANIFEST
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**data, **facts}), encoding="utf-8")
    write_checksums(folder)


def refusal(folder):
    with pytest.raises(PackageError) as error:
        open_package(folder)
    return str(error.value)


def test_a_package_holds_what_it_was_written_with(sound):
    opened = open_package(sound.folder)

    assert sound == opened
    assert ["image", "exam"] == [entry.level for entry in opened.calibrations]
    assert "tumor" == opened.calibration("tumor", "exam").label
    assert 0.5 == opened.operating_point("screening", "tumor", "exam").threshold


def test_what_a_package_does_not_have_is_none(sound):
    assert sound.calibration("edema", "exam") is None
    assert sound.operating_point("rule_in", "tumor", "exam") is None


def test_the_same_content_has_the_same_digest(folder, sound):
    assert sound.digest == open_package(folder).digest


def test_an_unknown_format_version_asks_for_an_update(folder):
    change(folder, format="medrec.package/9")

    message = refusal(folder)

    assert "medrec.package/9" in message
    assert "update medrec" in message


def test_a_manifest_without_a_format_is_refused(folder):
    (folder / MANIFEST).write_text("name: x\n", encoding="utf-8")
    write_checksums(folder)

    assert "format None is unknown" in refusal(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{not: [yaml", "can't be read"),
        (b"\xff\xfe\x00", "can't be read"),
        (b"- a\n- list\n", "must hold a mapping"),
        (b"", "must hold a mapping"),
        (b"!!python/object/apply:os.system [ls]", "can't be read"),
    ],
)
def test_a_manifest_that_is_no_mapping_is_refused(folder, content, words):
    (folder / MANIFEST).write_bytes(content)
    write_checksums(folder)

    assert words in refusal(folder)


def test_every_wrong_fact_of_a_manifest_is_named_at_once(folder):
    change(folder, colour="blue", version=None, domain="lunar")

    message = refusal(folder)

    assert "colour: unknown key" in message
    assert "domain" in message
    assert "version" in message
    assert "3 problems" in message
    assert "pydantic" not in message


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS, CALIBRATION, OPERATING_POINTS])
def test_a_package_that_was_sealed_without_a_file_is_refused_by_the_files_name(folder, name):
    (folder / name).unlink()
    write_checksums(folder)

    assert name in refusal(folder)


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS, CALIBRATION, CARD, LICENSE])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()

    assert f"{name} is missing" in refusal(folder)


def test_an_extra_file_is_named(folder):
    (folder / "extra.pkl").write_bytes(b"payload")

    assert "extra.pkl is not listed" in refusal(folder)


def test_an_extra_file_in_a_folder_is_named(folder):
    (folder / "more").mkdir()
    (folder / "more" / "extra.bin").write_bytes(b"payload")

    assert "more/extra.bin is not listed" in refusal(folder)


def test_torn_weights_are_named(folder):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])

    assert f"{WEIGHTS} was changed" in refusal(folder)


@pytest.mark.parametrize("keep", [0, 5, 5000])
def test_weights_that_were_torn_before_the_seal_are_refused_on_loading(folder, keep):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:keep])
    write_checksums(folder)

    with pytest.raises(PackageError, match="does not fit the network test_efficientnet"):
        load_network(open_package(folder), device="cpu")


def test_weights_of_another_number_of_labels_are_refused_on_loading(tmp_path):
    two = a_package(tmp_path / "two", calibrated=False, labels=["tumor", "edema"])
    one = a_package(tmp_path / "one", calibrated=False)
    shutil.copy(two.weights, one.weights)
    write_checksums(one.folder)

    with pytest.raises(PackageError, match="does not fit the network"):
        load_network(open_package(one.folder), device="cpu")


def test_a_level_that_claims_probabilities_needs_a_calibrator(folder):
    path = folder / CALIBRATION
    data = json.loads(path.read_text(encoding="utf-8"))
    data["entries"] = [entry for entry in data["entries"] if entry["level"] == "image"]
    path.write_text(json.dumps(data), encoding="utf-8")
    write_checksums(folder)

    message = refusal(folder)

    assert "no calibrator for tumor (exam)" in message
    assert "medrec calibrate" in message


def test_every_label_of_a_level_needs_a_calibrator(folder):
    change(folder, labels=["tumor", "edema"])

    message = refusal(folder)

    assert "edema (image), edema (exam)" in message


@pytest.mark.parametrize("name", [CALIBRATION, OPERATING_POINTS])
@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b"\xff\xff"])
def test_a_damaged_table_is_refused_by_its_name(folder, name, content):
    (folder / name).write_bytes(content)
    write_checksums(folder)

    assert name in refusal(folder)


def test_a_folder_without_checksums_is_no_model(tmp_path):
    assert "is no medrec model" in refusal(tmp_path)


def test_the_network_computes_in_full_precision_and_is_ready_to_judge(sound):
    network = load_network(sound, device="cpu")

    assert not network.training
    kinds = {str(weight.dtype) for weight in network.parameters()}
    assert {"torch.float32"} == kinds


def test_weights_that_are_no_numbers_are_refused_on_loading(folder):
    state = load_file(folder / WEIGHTS)
    name = next(name for name, tensor in state.items() if tensor.is_floating_point())
    save_file({**state, name: torch.full_like(state[name], torch.inf)}, folder / WEIGHTS)
    write_checksums(folder)

    with pytest.raises(PackageError, match="no numbers, such as"):
        load_network(open_package(folder), device="cpu")


def test_the_members_of_an_ensemble_open_with_their_own_weights(tmp_path):
    package = a_package(tmp_path / "three", members=3)

    network = load_network(package, device="cpu")

    state = network.state_dict()
    name = next(n for n in state if n.startswith("members.0.") and n.endswith("conv_stem.weight"))
    stems = [state[name.replace("members.0", f"members.{number}")] for number in range(3)]
    assert 3 == len(network.members)
    assert not network.training
    assert not torch.equal(stems[0], stems[2])


@pytest.mark.parametrize(
    ("said", "held", "message"),
    [
        (3, 2, "members 0, 1, where package.yaml says 0 to 2"),
        (2, 3, "members 0, 1, 2, where package.yaml says 0 to 1"),
        (2, None, "members none, where package.yaml says 0 to 1"),
        (None, 2, "members 0, 1, where package.yaml says that there is one network"),
    ],
)
def test_another_number_of_members_than_the_manifest_says_is_refused_on_loading(
    tmp_path, said, held, message
):
    one, other = (a_package(tmp_path / f"{n}", members=n) for n in (said, held))
    shutil.copy(other.weights, one.weights)
    write_checksums(one.folder)

    with pytest.raises(PackageError, match=message):
        load_network(open_package(one.folder), device="cpu")
