import pytest

from medrec.errors import PackageError
from medrec.package.checksums import CHECKSUMS, verify_checksums, write_checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "LICENSE").write_text("terms")
    write_checksums(tmp_path)
    return tmp_path


def test_an_unchanged_folder_has_a_stable_digest(folder):
    digest = verify_checksums(folder)

    assert digest == verify_checksums(folder)
    assert digest.startswith("sha256:")


def test_every_changed_missing_and_added_file_is_named_at_once(folder):
    (folder / "weights.safetensors").write_bytes(b"other")
    (folder / "LICENSE").unlink()
    (folder / "extra.pkl").write_bytes(b"?")

    with pytest.raises(PackageError) as error:
        verify_checksums(folder)

    assert "weights.safetensors was changed" in str(error.value)
    assert "LICENSE is missing" in str(error.value)
    assert "extra.pkl is not listed" in str(error.value)


def test_a_folder_without_checksums_is_no_model(tmp_path):
    with pytest.raises(PackageError, match="no medrec model"):
        verify_checksums(tmp_path)


def test_the_list_is_readable_by_sha256sum(folder):
    lines = (folder / CHECKSUMS).read_text().splitlines()

    assert [line[64:] for line in lines] == ["  LICENSE", "  weights.safetensors"]
