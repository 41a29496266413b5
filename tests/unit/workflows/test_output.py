from __future__ import annotations

import pytest

from medrec.errors import OutputError
from medrec.workflows.output import RUN, prepare_output, read_run, write_run


@pytest.fixture
def run(tmp_path):
    """A folder that medrec made."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_run(folder, {"verb": "screen"})
    return folder


def test_a_folder_is_made_with_its_parents(tmp_path):
    prepare_output(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()


def test_an_empty_folder_is_used(tmp_path):
    prepare_output(tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_a_file_is_no_output_folder(tmp_path):
    (tmp_path / "out").touch()

    with pytest.raises(OutputError, match="is a file"):
        prepare_output(tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="can't be made"):
        prepare_output(tmp_path / "file" / "out")


def test_a_folder_that_is_not_empty_is_refused(run):
    with pytest.raises(OutputError, match="isn't empty"):
        prepare_output(run)

    assert {"verb": "screen"} == read_run(run)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "name another folder$"),
        ({"overwrite": False}, "folder, or give --overwrite$"),
        ({"resume": False}, "folder, or give --resume$"),
        ({"resume": False, "overwrite": False}, "folder, or give --resume or --overwrite$"),
    ],
)
def test_a_verb_is_told_to_give_its_own_options_alone(run, options, hint):
    with pytest.raises(OutputError, match=hint):
        prepare_output(run, **options)


def test_resuming_keeps_what_is_there(run):
    prepare_output(run, resume=True)

    assert {"verb": "screen"} == read_run(run)


def test_overwriting_empties_a_folder_that_medrec_made(run):
    (run / "cases").mkdir()

    prepare_output(run, overwrite=True)

    assert [] == list(run.iterdir())


def test_overwriting_a_folder_that_medrec_did_not_make_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(OutputError, match="didn't make it"):
        prepare_output(tmp_path, overwrite=True)

    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("name", [".", "model", "scans/IM0001"])
def test_overwriting_never_removes_what_the_run_reads(run, name):
    with pytest.raises(OutputError, match="which this run reads"):
        prepare_output(run, overwrite=True, inputs=[run.parent, run / name])

    assert {"verb": "screen"} == read_run(run)


def test_an_input_outside_may_stay_where_it_is(run, tmp_path):
    prepare_output(run, overwrite=True, inputs=[tmp_path, tmp_path / "run2"])

    assert [] == list(run.iterdir())


def test_a_run_is_read_as_it_was_written(tmp_path):
    facts = {"verb": "train", "seconds": {"fit": 1.5}, "note": "täglich"}

    write_run(tmp_path, facts)

    assert facts == read_run(tmp_path)
    assert [RUN] == [path.name for path in tmp_path.iterdir()]


def test_a_folder_without_a_run_has_no_facts(tmp_path):
    assert {} == read_run(tmp_path)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xff"])
def test_a_damaged_run_is_one_message(tmp_path, content):
    (tmp_path / RUN).write_bytes(content)

    with pytest.raises(OutputError, match="can't be read"):
        read_run(tmp_path)
