"""What the hostile tests share: one small model, and its answer to a folder."""

from __future__ import annotations

import pytest
from package_factory import a_package


@pytest.fixture(scope="session")
def brain_model(tmp_path_factory):
    """A small whole package for MR of the brain."""
    return a_package(tmp_path_factory.mktemp("model"))
