"""Networks of every family and kind give the logits after packing and screening that they gave."""

from __future__ import annotations

import json

import nibabel
import pytest
import torch
from package_factory import a_package
from pydantic import TypeAdapter
from typer.testing import CliRunner
from volume_factory import AFFINE, head

from medrec.cli.app import app
from medrec.config.model import NetworkConfig
from medrec.config.preprocess import PreprocessConfig
from medrec.io.loading import load_file
from medrec.models.build import build_any
from medrec.models.pooling import pool_exam_logit
from medrec.models.weights import round_to_half
from medrec.package.build import load_network, load_preprocessor
from medrec.package.package import open_package

SIZE_PX, BOX = 64, (32, 64, 64)
BRAIN = {"modality": ["MR"], "body_part": ["BRAIN", "HEAD"]}


def of_films(backbone):
    return {"kind": "classifier_2d", "backbone": backbone, "weights": {"kind": "none"}}


def of_slices(pooling):
    some = {"backbone": "test_efficientnet", "weights": {"kind": "none"}, "slices": 4}
    return {"kind": "classifier_slices", **some, "pooling": pooling}


def of_boxes(architecture):
    return {"kind": "classifier_3d", "architecture": architecture}


QUICK = {
    **{name: of_films(name) for name in (
        "test_resnet", "test_efficientnet", "test_convnext", "test_maxvit", "test_coatnet",
        "test_vit", "densenet121",
    )},
    "slices, fixed": of_slices({"kind": "fixed", "positions": 6, "top": 2}),
    "slices, attention": of_slices({"kind": "attention", "hidden": 16}),
    **{f"3d {name}": of_boxes(name) for name in ("densenet121", "resnet10")},
}  # fmt: skip
SLOW = {  # hundreds of megabytes, or seconds a volume
    "vgg11": of_films("vgg11"),
    **{f"3d {name}": of_boxes(name) for name in ("resnet18", "swin")},
}
NETWORKS = QUICK | SLOW


@pytest.fixture(
    scope="module", params=[*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def packed(request, tmp_path_factory):
    """A network whose running statistics have moved, the package that it went into, the kind."""
    facts = NETWORKS[request.param]
    config = TypeAdapter(NetworkConfig).validate_python(facts)
    torch.manual_seed(3)
    network = build_any(config, label_count=1, size_px=SIZE_PX)
    with torch.no_grad():
        network.train()(_some_input(facts["kind"]))
    network.load_state_dict(round_to_half(network.state_dict()))
    is_of_exams = facts["kind"] != "classifier_2d"
    package = a_package(
        tmp_path_factory.mktemp("package") / "model",
        levels=("exam",) if is_of_exams else ("image", "exam"),
        network=network,
        model=facts,
        preprocess=PreprocessConfig(size_px=SIZE_PX, volume_size=BOX).model_dump(),
        input=BRAIN | ({"minimum_slices": 2} if is_of_exams else {}),
        **({"probability_levels": ["exam"], "prevalence": {"exam": 0.5}} if is_of_exams else {}),
    )
    return network.eval(), package, facts["kind"]


def _some_input(kind):
    shape = {"classifier_2d": (4, 1), "classifier_slices": (2, 4, 1), "classifier_3d": (2, 1)}[kind]
    return torch.rand(*shape, *(BOX if kind == "classifier_3d" else (SIZE_PX, SIZE_PX)))


def test_a_loaded_package_gives_the_logits_of_the_network_that_was_saved(packed):
    network, package, kind = packed
    images = _some_input(kind)

    loaded = load_network(open_package(package.folder), device="cpu")

    with torch.inference_mode():
        expected, found = network(images).logits, loaded(images).logits
    assert torch.equal(expected, found)
    assert not torch.equal(expected[0], expected[1])  # the network sees what it is shown


def test_screening_gives_the_logit_of_the_network_that_was_saved(packed, tmp_path):
    network, package, kind = packed
    scan, out = tmp_path / "scan" / "a.nii.gz", tmp_path / "out"
    scan.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(head(1, has_ball=True), AFFINE), scan)

    outcome = CliRunner().invoke(
        app,
        [*("screen", str(scan.parent), "--model", str(package.folder), "--out", str(out)),
         *("--device", "cpu")],
    )  # fmt: skip

    assert 0 == outcome.exit_code, outcome.output
    (found,) = map(json.loads, (out / "predictions.jsonl").read_text("utf-8").splitlines())
    expected = _exam_logit(network, load_preprocessor(package)(load_file(scan)), kind)
    assert expected == pytest.approx(found["findings"][0]["logit"], abs=1e-4)
    assert list(out.glob("cases/*/report.html"))


def _exam_logit(network, prepared, kind):
    with torch.inference_mode():
        if kind == "classifier_3d":
            return float(network(prepared.voxels[None]).logits)
        if kind == "classifier_slices":
            return float(network(prepared.images[None]).logits)
        logits = network(prepared.images).logits[:, 0].tolist()
        return pool_exam_logit(logits, positions=8, top=2)
