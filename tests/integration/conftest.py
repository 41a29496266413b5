"""What all integration tests share."""

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """On pictures this small, threads cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
