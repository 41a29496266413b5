"""Which picture comes when, and how it is changed."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from medrec.preprocess.augment import Augmenter
from medrec.training.ranks import Ranks
from medrec.training.sampling import (
    EpochSampler,
    augment_batch,
    training_loader,
    watching_loader,
)

NOISE = Augmenter(size_px=32, noise=1.0, noise_std=0.1)


def batches(slices, settings, *, epoch=0, augment=NOISE):
    loader = training_loader(slices, settings, augment=augment)
    loader.sampler.set_epoch(epoch)
    return [images for images, _ in loader]


def test_every_row_comes_once_an_epoch():
    sampler = EpochSampler([3, 5, 8], seed=1)

    assert {(3, 0), (5, 0), (8, 0)} == {tuple(draw) for draw in sampler}
    assert 3 == len(sampler)


def test_each_epoch_has_its_own_order_which_comes_again():
    sampler = EpochSampler(range(50), seed=1)
    first = [draw.row for draw in sampler]
    sampler.set_epoch(1)
    second = [draw.row for draw in sampler]

    sampler.set_epoch(0)

    assert first == [draw.row for draw in sampler]
    assert first != second


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_number_of_workers_changes_nothing(slices, settings):
    expected = batches(slices, settings, epoch=3)

    found = batches(slices, replace(settings, workers=2), epoch=3)

    assert 3 == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_pictures_change_from_epoch_to_epoch(slices, settings):
    one = replace(settings, batch_size=24)

    first, second = (batches(slices, one, epoch=epoch)[0].sum() for epoch in (0, 1))

    assert first != second


def test_without_an_augmenter_pictures_are_as_prepared(slices, settings):
    images = torch.cat(batches(slices, settings, augment=None))

    assert torch.equal(
        slices.images.float().flatten(1).sum(1).sort().values,
        images.flatten(1).sum(1).sort().values,
    )


def test_rows_of_which_nothing_is_known_are_not_drawn(slices, settings):
    targets = slices.targets.clone()
    targets[:10] = torch.nan
    taught = replace(slices, targets=targets)

    drawn = [
        target for _, batch in training_loader(taught, settings, augment=None) for target in batch
    ]

    assert 8 == len(drawn)  # of 14 known ones, in whole batches of 8
    assert torch.isfinite(torch.stack(drawn)).all()


def test_fewer_rows_than_a_batch_make_one_batch(slices, settings):
    assert [24] == [len(batch) for batch in batches(slices, replace(settings, batch_size=99))]


def test_watching_keeps_the_order(slices):
    images = torch.cat([batch for batch, _ in watching_loader(slices, batch_size=7)])

    assert torch.equal(slices.images.float(), images)


def test_the_number_of_threads_is_given_back(slices, settings):
    torch.set_num_threads(2)

    batches(slices, settings)

    assert 2 == torch.get_num_threads()


def test_seeds_for_the_device_depend_on_epoch_and_row_alone(slices, settings):
    def seeds(epoch, **changes):
        loader = training_loader(
            slices, replace(settings, augment_on="device", **changes), augment=None
        )
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        by_sum = {
            float(image.sum()): int(seed)
            for images, _, seeds in batches
            for image, seed in zip(images, seeds, strict=True)
        }
        return sorted(by_sum.items())

    expected = seeds(1)

    assert 24 == len({seed for _, seed in expected})
    assert expected == seeds(1, batch_size=12)
    assert expected != seeds(2)


def test_a_batch_with_seeds_is_changed_and_one_without_is_not():
    images, targets, seeds = torch.zeros(2, 1, 4, 4), torch.ones(2, 1), torch.tensor([5, 6])

    def change(images, seeds):
        return images + seeds.view(-1, 1, 1, 1)

    changed, same = augment_batch((images, targets, seeds), change)

    assert [5, 6] == changed[:, 0, 0, 0].tolist()
    assert same is targets
    assert images is augment_batch((images, targets), change)[0]
    assert images is augment_batch((images, targets, seeds), None)[0]


def test_two_processes_draw_all_rows_of_an_epoch_between_them():
    shares = [
        [draw.row for draw in EpochSampler(range(9), seed=1, ranks=Ranks(rank, 2, 2, rank))]
        for rank in (0, 1)
    ]

    alone = [draw.row for draw in islice(EpochSampler(range(9), seed=1), 8)]
    assert alone == [row for pair in zip(*shares, strict=True) for row in pair]
