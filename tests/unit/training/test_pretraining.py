"""Pretraining without labels."""

from dataclasses import replace

import pytest
import torch

from medrec.domain.reference import Reference
from medrec.models.classifiers import TimmClassifier
from medrec.models.encoders import PictureEncoder, VolumeEncoder
from medrec.preprocess.augment import Augmenter
from medrec.training.contrastive import Contrast, ContrastiveModule, share_matched
from medrec.training.masked import MaskedModule, Masking, to_blocks
from medrec.training.pretraining import pretrain_encoder
from medrec.training.views import ViewPairs, Views

VIEWS = Views(size_px=32, smallest_crop=0.5, augment=Augmenter(size_px=32, noise=1, noise_std=0.02))


def encoder(name="test_efficientnet", seed=0):
    torch.manual_seed(seed)
    return PictureEncoder(TimmClassifier(name, label_count=1))


def learn(slices, settings, folder, **options):
    network = options.pop("network", None) or encoder()
    task = Contrast(slices, VIEWS, temperature=0.2, projection=16)
    history = pretrain_encoder(
        network, task, settings=settings, folder=folder, device="cpu", **options
    )
    return network, history


def same(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_pretraining_lowers_its_loss(slices, settings, tmp_path):
    _, history = learn(slices, replace(settings, epochs=8, learning_rate=0.003), tmp_path)

    assert history[-1].loss < history[0].loss
    assert 8 == len(history)


def test_labels_change_nothing(slices, settings, tmp_path):
    unknown = replace(slices, targets=torch.full_like(slices.targets, torch.nan))

    one, _ = learn(slices, settings, tmp_path / "a")
    two, _ = learn(unknown, settings, tmp_path / "b")

    assert same(one, two)


class CutError(RuntimeError):
    pass


def test_a_cut_pretraining_resumes_to_the_weights_of_an_uncut_one(
    slices, settings, tmp_path, monkeypatch
):
    settings = replace(settings, epochs=3)
    expected, history = learn(slices, settings, tmp_path / "uncut")
    step = ContrastiveModule.training_step

    def cut(module, batch, number):
        if module.current_epoch == 1 and number == 1:
            raise CutError
        return step(module, batch, number)

    monkeypatch.setattr(ContrastiveModule, "training_step", cut)
    with pytest.raises(CutError):
        learn(slices, settings, tmp_path / "cut")
    monkeypatch.setattr(ContrastiveModule, "training_step", step)
    found, again = learn(slices, settings, tmp_path / "cut", network=encoder(seed=9), resume=True)

    assert same(expected, found)
    assert history == again


def test_a_view_depends_on_its_seed_alone(slices):
    image, _ = slices[0]
    state = torch.get_rng_state()

    first = VIEWS(image, seed=3)
    torch.rand(2)
    again = VIEWS(image, seed=3)

    assert torch.equal(first, again)
    assert not torch.equal(first, VIEWS(image, seed=4))
    torch.set_rng_state(state)
    VIEWS(image, seed=3)
    assert torch.equal(state, torch.get_rng_state())


def test_the_two_views_of_a_pair_differ_and_so_do_those_of_another_epoch(slices):
    pairs = ViewPairs(slices, VIEWS, seed=1)
    from medrec.training.sampling import Draw

    first, second = pairs[Draw(0, 0)]
    later, _ = pairs[Draw(0, 1)]

    assert (1, 32, 32) == tuple(first.shape)
    assert not torch.equal(first, second)
    assert not torch.equal(first, later)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit", "test_convnext"])
def test_the_weights_of_an_encoder_fit_a_classifier_of_its_kind(name, tmp_path):
    import hashlib

    from safetensors.torch import save_file

    from medrec.models.weights import load_file

    size = {"size_px": 32} if name == "test_vit" else {}
    torch.manual_seed(1)
    source = PictureEncoder(TimmClassifier(name, label_count=1, **size))
    path = tmp_path / "backbone.safetensors"
    save_file(source.backbone_state(), path)
    network = TimmClassifier(name, label_count=1, **size)
    images = torch.rand(2, 1, 32, 32)
    before = network.eval()(images).logits

    load_file(network, path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    assert not torch.equal(before, network(images).logits)
    features = PictureEncoder(network).eval()(images)
    assert (2, source.feature_count) == tuple(features.shape)
    assert torch.equal(source.eval()(images), features)


def test_a_view_is_matched_where_its_own_twin_lies_nearest():
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    assert 1.0 == share_matched(first, 5 * first)
    assert 0.0 == share_matched(first, first.flip(0))


def test_masked_modelling_takes_three_steps_in_3d_and_changes_the_encoder(settings, tmp_path):
    volumes = torch.rand(6, 1, 16, 32, 32, generator=torch.Generator().manual_seed(1)).half()
    torch.manual_seed(0)
    network = VolumeEncoder("resnet10")
    before = network.backbone_state()["layer4.0.conv1.weight"].clone()

    history = pretrain_encoder(
        network,
        Masking(volumes, patch=8, share=0.6),
        settings=replace(settings, epochs=1, batch_size=2),
        folder=tmp_path,
        device="cpu",
    )

    assert 1 == len(history)
    assert history[0].matched is None
    assert not torch.equal(before, network.backbone_state()["layer4.0.conv1.weight"])


def test_only_hidden_voxels_are_judged_and_their_share_is_the_one_asked_for(settings):
    module = MaskedModule(VolumeEncoder("resnet10"), settings, patch=8, share=0.5)
    torch.manual_seed(0)
    hidden = module._hide(torch.zeros(2, 1, 32, 32, 32))

    assert 0.5 == float(hidden.float().mean())
    assert (2, 1, 32, 32, 32) == tuple(hidden.shape)
    assert hidden[0, 0, :8, :8, :8].unique().numel() == 1


def test_the_pictures_of_one_file_become_one_volume_of_fixed_depth(slices):
    paths = ["a.nii"] * 10 + ["b.nii"] * 14
    files = replace(
        slices, references=tuple(Reference(path=p, patient=p, labels={}) for p in paths)
    )

    blocks = to_blocks(files, depth=16)

    assert (2, 1, 16, 32, 32) == tuple(blocks.shape)
    assert torch.equal(to_blocks(files, depth=10)[0, 0], files.images[:10, 0])
