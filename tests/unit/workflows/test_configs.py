import pytest

from medrec.errors import MedrecError
from medrec.workflows.configs import list_configs


def test_a_folder_of_configs_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(MedrecError, match="name the one with your configs"):
        list_configs(tmp_path / "configs")
