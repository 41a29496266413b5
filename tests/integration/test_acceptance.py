"""Acceptance tests on drawn films, from the file on, by a finder of what isn't drawn."""

from __future__ import annotations

import csv
import json

import pytest
from blob_finder import (
    BlobFinder,
    a_film_package,
    stand_in,
    write_dicom_film,
    write_films,
)
from chest_factory import a_chest_film
from PIL import Image
from typer.testing import CliRunner

from medrec import acceptance
from medrec.cli.app import app
from medrec.errors import MedrecError, UsageError
from medrec.package.package import open_package

RUNNER = CliRunner()


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def json_of(out):
    return json.loads((out / "acceptance.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return a_film_package(tmp_path_factory.mktemp("package") / "model").folder


@pytest.fixture(scope="module")
def home(tmp_path_factory, package):
    """The model with figures of twelve drawn films."""
    root = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, BlobFinder())
        patch.setenv("XDG_CONFIG_HOME", str(root / "config"))
        films = write_films(root / "films", 12)
        acceptance(films, model=package, out=root / "out", home=root / "model", lesions=6)
    return root


@pytest.fixture
def finder(monkeypatch):
    finder = BlobFinder()
    stand_in(monkeypatch, finder)
    return finder


def test_home_figures_make_a_package_of_their_own_that_verifies(home, package):
    old, new = open_package(package), open_package(home / "model")

    assert old.home is None
    assert new.home is not None
    assert old.digest != new.digest
    assert "## Planted lesions at home" in (home / "model" / "model-card.md").read_text()
    assert json_of(home / "out") == json.loads((home / "model" / "acceptance.json").read_text())
    shown = RUNNER.invoke(app, ["models", "verify", str(home / "model")])
    assert 0 == shown.exit_code


def test_large_strong_lesions_are_found_and_small_faint_ones_missed(home):
    rows = rows_of(home / "out" / "lesions.csv")
    large = [r for r in rows if r["group"] == "large" and r["strength"] != "0.5"]
    small = [r for r in rows if r["group"] == "small" and r["strength"] == "0.5"]

    assert len(rows) > 60
    assert sum(int(row["is_hit"]) for row in large) > 0.7 * len(large)
    assert 0 == sum(int(row["is_hit"]) for row in small)


def test_the_file_has_six_lines_and_what_stands_beside_them(home):
    data = json_of(home / "out")

    assert "medrec.acceptance/1" == data["schema"]
    assert 6 == len(data["lines"])
    assert {"name", "here", "home", "n", "verdict"} <= set(data["lines"][0])
    assert {"size", "strength", "zone", "view", "scanner", "site"} == set(data["sensitivity"])
    assert {"strength", "p50", "p90"} == set(data["detected_at"])
    assert data["score_rise"]["value"] > 0
    assert "xray-chest-evaluation" == data["recipe"]["name"]
    assert data["provenance"]["model_digest"].startswith("sha256:")


def test_the_same_seed_gives_the_same_figures(package, finder, tmp_path):
    films = write_films(tmp_path / "in", 2)

    for name in ("first", "again"):
        acceptance(films, model=package, out=tmp_path / name, lesions=3, seed=4)

    first, again = json_of(tmp_path / "first"), json_of(tmp_path / "again")
    for data in (first, again):
        data["provenance"].pop("started"), data["provenance"].pop("seconds")
    assert first == again
    assert rows_of(tmp_path / "first" / "lesions.csv") == rows_of(
        tmp_path / "again" / "lesions.csv"
    )


def test_dicom_films_inverted_or_not_are_tested_alike(home, finder, tmp_path):
    for number in range(4):
        write_dicom_film(tmp_path / "in" / f"{number}.dcm", number=50 + number, inverted=number > 1)

    run = acceptance(tmp_path / "in", model=home / "model", out=tmp_path / "out", lesions=6)

    data = json_of(tmp_path / "out")
    agreement = data["lines"][5]
    assert 0 == run.exit_code
    assert 1.0 == agreement["here"]["value"]
    assert 24 >= data["counts"]["lesions"] >= 20
    assert data["detected_at"]["p50"]["mm"] > 5
    assert {"PA"} == set(data["sensitivity"]["view"])
    assert {"SIEMENS"} == set(data["sensitivity"]["scanner"])
    assert "patient 50" not in (tmp_path / "out" / "report.html").read_text()


def test_a_film_whose_tag_belies_its_pixels_arrives_with_the_wrong_polarity(home, finder, tmp_path):
    for number in range(10):
        path = tmp_path / "in" / f"{number}.dcm"
        write_dicom_film(path, number=number, inverted=True, tag="MONOCHROME2")

    run = acceptance(tmp_path / "in", model=home / "model", out=tmp_path / "out", lesions=3)

    data = json_of(tmp_path / "out")
    assert "differs" == data["lines"][5]["verdict"]
    assert 0.0 == data["lines"][5]["here"]["value"]
    assert any("bright and dark exchanged" in note for note in run.result.notes)


def test_a_model_that_sees_less_is_worse_and_require_says_so(home, monkeypatch, tmp_path):
    stand_in(monkeypatch, BlobFinder(limit=40))
    films = write_films(tmp_path / "in", 10, first=30)
    command = ["acceptance", str(films), "--model", str(home / "model"), "--lesions", "6"]

    required = RUNNER.invoke(app, [*command, "--out", str(tmp_path / "a"), "--require"])

    assert 1 == required.exit_code
    assert "worse" in required.stdout
    large = next(x for x in json_of(tmp_path / "a")["lines"] if x["name"] == "sensitivity_large")
    assert "worse" == large["verdict"]
    assert large["loss"]["low"] > 0


def test_a_classifier_hits_where_the_twin_is_clear_and_the_planted_is_flagged(
    tmp_path, monkeypatch
):
    stand_in(monkeypatch, BlobFinder(finds_boxes=False))
    package = a_film_package(tmp_path / "model", finds_boxes=False).folder
    films = write_films(tmp_path / "in", 3)

    run = acceptance(films, model=package, out=tmp_path / "out", lesions=6)

    rows = rows_of(tmp_path / "out" / "lesions.csv")
    assert 0 < sum(int(row["is_hit"]) for row in rows) < len(rows)
    assert 0.0 == run.result.lines[4].here.value


def test_a_scan_that_is_flagged_untouched_hides_its_lesions_from_a_classifier(
    tmp_path, monkeypatch
):
    stand_in(monkeypatch, BlobFinder(finds_boxes=False, limit=-1))
    package = a_film_package(tmp_path / "model", finds_boxes=False).folder
    films = write_films(tmp_path / "in", 3)

    run = acceptance(films, model=package, out=tmp_path / "out", lesions=2)

    assert {"0"} == {row["is_hit"] for row in rows_of(tmp_path / "out" / "lesions.csv")}
    assert any("3 of 3 untouched scans are flagged" in note for note in run.result.notes)


def test_a_manifest_leaves_out_the_sick_and_names_view_scanner_and_site(home, finder, tmp_path):
    films = write_films(tmp_path / "films", 4)
    lines = ["path,patient,tumor,view,scanner,site"]
    lines += [f"f{n:03}.png,P{n // 2},{int(n == 3)},AP,Maker,{'AB'[n % 2]}" for n in range(4)]
    (films / "site.csv").write_text("\n".join(lines))

    run = acceptance(films / "site.csv", model=home / "model", out=tmp_path / "out", lesions=3)

    data = json_of(tmp_path / "out")
    assert 3 == data["counts"]["scans"]
    assert 2 == data["counts"]["patients"]
    assert {"A", "B"} == set(data["sensitivity"]["site"])
    assert {"AP"} == set(data["sensitivity"]["view"])
    assert any("1 scans of the manifest" in note for note in run.result.notes)


def test_a_bad_file_is_a_row_and_costs_no_other_its_test(home, finder, tmp_path):
    films = write_films(tmp_path / "in", 2)
    (films / "torn.png").write_bytes((films / "f000.png").read_bytes()[:900])
    (films / "notes.txt").write_text("nothing")
    Image.fromarray(a_chest_film(256)[:40, :50]).save(films / "small.png")

    run = acceptance(films, model=home / "model", out=tmp_path / "out", lesions=2)

    rows = {row["path"]: row for row in rows_of(tmp_path / "out" / "files.csv")}
    assert 3 == run.exit_code
    assert 2 == run.result.scans
    assert ["f000.png", "f001.png", "notes.txt", "small.png", "torn.png"] == sorted(rows)
    assert "skipped" == rows["notes.txt"]["status"]
    assert "no lesion can be planted" in rows["small.png"]["detail"]
    assert "truncated" == rows["torn.png"]["code"]


def test_hidden_paths_stand_nowhere(home, finder, tmp_path):
    films = write_films(tmp_path / "in", 2)
    (films / "f000.png").rename(films / "Mueller Hans.png")

    acceptance(films, model=home / "model", out=tmp_path / "out", lesions=2, hide_paths=True)

    written = [path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()]
    assert len(written) >= 5
    assert not any("Mueller" in text for text in written)


def test_the_page_is_whole_and_says_what_it_cannot_show(home):
    page = (home / "out" / "report.html").read_text(encoding="utf-8")

    assert "Real lesions differ from planted ones" in page
    assert "<svg" in page
    assert page.count("Missed lesions") == 1
    assert "http" not in page.replace("http-equiv", "")


def test_a_package_with_its_own_network_is_tested_from_end_to_end(package, tmp_path):
    films = write_films(tmp_path / "in", 2)
    command = ["acceptance", str(films), "--model", str(package), "--out", str(tmp_path / "out")]

    result = RUNNER.invoke(app, [*command, "--lesions", "2"])

    assert 0 == result.exit_code, result.output
    assert {"too_few"} == {line["verdict"] for line in json_of(tmp_path / "out")["lines"]}


def test_what_cannot_work_is_said_before_anything_is_screened(package, home, finder, tmp_path):
    films = write_films(tmp_path / "in", 1)

    def run(**options):
        acceptance(films, **{"model": package, "out": tmp_path / "out", **options})

    with pytest.raises(MedrecError, match="holds no figures of its training site"):
        run(require=True)
    with pytest.raises(UsageError, match="--lesions 0"):
        run(lesions=0)
    with pytest.raises(UsageError, match="give one of them"):
        run(model=home / "model", require=True, home=tmp_path / "home")
    with pytest.raises(MedrecError, match="lies in"):
        run(out=films / "out")
    with pytest.raises(MedrecError, match="name a folder apart"):
        run(home=tmp_path / "out" / "model")
    assert not (tmp_path / "out").exists()


def test_a_recipe_for_other_scans_is_refused(package, finder, tmp_path):
    films = write_films(tmp_path / "in", 1)

    with pytest.raises(MedrecError, match="is for brain MRI, and test-model judges chest films"):
        acceptance(
            films, model=package, out=tmp_path / "out", recipe="configs/lesions/mri-brain.yaml"
        )


def test_a_gate_with_another_recipe_than_homes_is_refused(home, finder, tmp_path):
    films = write_films(tmp_path / "in", 1)

    with pytest.raises(MedrecError, match="--require: the figures at home were made with"):
        acceptance(
            films,
            model=home / "model",
            out=tmp_path / "out",
            require=True,
            recipe="xray-chest",
        )


def test_figures_of_another_recipe_are_not_compared(home, finder, tmp_path):
    films = write_films(tmp_path / "in", 1)
    recipe = "configs/lesions/xray-chest.yaml"

    run = acceptance(films, model=home / "model", out=tmp_path / "out", recipe=recipe, lesions=2)

    assert {None} == {line.home for line in run.result.lines}
    assert any("can't be held against each other" in note for note in run.result.notes)


def test_a_folder_without_a_chest_is_refused_with_the_reasons(package, finder, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(a_chest_film(256)[:40, :50]).save(tmp_path / "in" / "small.png")

    with pytest.raises(MedrecError, match=r"no scan into which a lesion could be planted\n  - "):
        acceptance(tmp_path / "in", model=package, out=tmp_path / "out")


def test_home_figures_need_ten_patients(package, finder, tmp_path):
    films = write_films(tmp_path / "in", 2)

    with pytest.raises(MedrecError, match="from 2 patients, wanted 10 or more"):
        acceptance(films, model=package, out=tmp_path / "out", home=tmp_path / "model", lesions=1)
    assert (tmp_path / "out" / "acceptance.json").is_file()


def test_a_model_of_no_known_scan_is_refused(tmp_path, finder):
    package = a_film_package(
        tmp_path / "model",
        input={"modality": ["CT"], "body_part": ["ABDOMEN"], "dimensionality": "image"},
    ).folder
    films = write_films(tmp_path / "in", 1)

    with pytest.raises(MedrecError, match="CT ABDOMEN, and lesions can be planted into"):
        acceptance(films, model=package, out=tmp_path / "out")


def test_a_model_without_a_threshold_is_refused(tmp_path, finder):
    package = a_film_package(tmp_path / "model", finds_boxes=False, calibrated=False).folder
    films = write_films(tmp_path / "in", 1)

    with pytest.raises(MedrecError, match="no threshold"):
        acceptance(films, model=package, out=tmp_path / "out", lesions=1)
