"""Logits of prepared slices."""

import numpy as np
import torch

from medrec.training.predict import predict_logits


def test_rows_are_judged_in_order_whatever_the_batch(network, slices):
    model = network()

    expected = predict_logits(model, slices, batch_size=24)
    found = predict_logits(model, slices, batch_size=5)

    assert (24, 1) == found.shape
    assert np.float64 == found.dtype
    assert np.allclose(expected, found, atol=1e-5)
    with torch.inference_mode():
        assert np.allclose(expected, model(slices.images.float()).logits, atol=1e-5)
