"""Two processes that torchrun's variables make one group, on the CPU."""

import multiprocessing
import os
import socket
from dataclasses import replace

import pytest
import torch

from medrec.data.detection import DetectionSlices
from medrec.models.classifiers import TimmClassifier
from medrec.models.detectors import Detector
from medrec.models.finder import Finder
from medrec.models.pyramids import TimmPyramid
from medrec.training.detection import DetectionLoss
from medrec.training.detector_module import Detection
from medrec.training.fit import FitData, fit_network
from medrec.training.ranks import meet
from medrec.training.sampling import training_loader


def fit_as(process, network, data, settings, folder, resume):
    rank, port = process
    count = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x"}
    place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"}
    os.environ.update(count | place | {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)})
    meet("cpu")
    options = {"settings": settings, "folder": folder, "device": "cpu", "resume": resume}
    fitted = fit_network(network, data, **options)
    drawn = training_loader(data.train, settings, augment=None).sampler
    (folder / f"{rank}.txt").write_text(" ".join(str(draw.row) for draw in drawn))
    torch.save(fitted.network.state_dict(), folder / f"{rank}.pt")


def fit_by_two(network, slices, settings, folder, *, resume=False, is_cut=False, **facts):
    data = FitData(slices, watched=slices, **facts)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(
            target=fit_as, args=((rank, port), network(), data, settings, folder, resume)
        )
        for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [0, 0] == [process.exitcode for process in processes]
    if is_cut:
        return None
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]  # noqa: TID251


def test_a_step_with_nan_in_one_process_is_skipped_by_both(network, slices, settings, tmp_path):
    images = slices.images.clone()
    images[3] = torch.nan
    settings = replace(settings, epochs=2, batch_size=4)

    one, other = fit_by_two(network, replace(slices, images=images), settings, tmp_path / "run")

    assert all(torch.isfinite(tensor).all() for tensor in one.values())
    assert all(torch.equal(one[name], other[name]) for name in one)
    checkpoint = torch.load(tmp_path / "run/last.ckpt", weights_only=True)  # noqa: TID251
    assert 6 == checkpoint["global_step"]  # 24 rows: 12 for each process, 3 batches, twice
    callbacks = checkpoint["callbacks"].items()
    assert [2] == [state["skipped"] for name, state in callbacks if "Guard" in name]
    rows = [(tmp_path / f"run/{rank}.txt").read_text().split() for rank in (0, 1)]
    assert (12, 24) == (len(rows[0]), len({*rows[0], *rows[1]}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("matching", "class_loss", "image_dropout"),
    [("atss", "focal", None), ("atss", "hard_negative", 0.2), ("centre", "focal", None)],
)
def test_processes_whose_images_are_all_empty_stay_in_step_with_the_others(
    slices, settings, tmp_path, matching, class_loss, image_dropout
):
    def network():
        torch.manual_seed(0)
        encoder = TimmClassifier("test_efficientnet", label_count=1)
        levels = [[(8.0, 8.0)], [(16.0, 16.0)]]
        return Detector(
            TimmPyramid(encoder, finest_stride=8, levels=2, channels=8),
            anchors=levels[:1] if matching == "centre" else levels,
            label_of=(0,),
            label_count=1,
            image_dropout=image_dropout,
            reads_finest=matching == "centre",
        )

    # One lesion in 24 pictures: most steps see none in either process, one sees it in one of them.
    objects = torch.full((24, 1, 5), -1.0)
    objects[1, 0] = torch.tensor([10.0, 10, 20, 20, 0])
    boxed = DetectionSlices(
        slices.images,
        (torch.arange(24) == 1)[:, None].float(),
        slices.references,
        slices.labels,
        objects=objects,
    )
    settings = replace(settings, epochs=2, batch_size=3)
    facts = {
        "detection": Detection(DetectionLoss(matching, class_loss), Finder()),
        "choose_best": True,
    }

    one, other = fit_by_two(network, boxed, settings, tmp_path / "run", **facts)

    assert all(torch.isfinite(tensor).all() for tensor in one.values())
    assert all(torch.equal(one[name], other[name]) for name in one)
    checkpoint = torch.load(tmp_path / "run/last.ckpt", weights_only=True)  # noqa: TID251
    assert 8 == checkpoint["global_step"]  # 12 rows for each process, 4 batches, twice
    callbacks = checkpoint["callbacks"].items()
    assert [0] == [state["skipped"] for name, state in callbacks if "Guard" in name]
