from __future__ import annotations

from package_factory import a_calibration, a_manifest, a_point

from medrec.evaluation.estimate import Estimate
from medrec.package.card import CardFigure, CardFigures, render_card

FIGURES = CardFigures(
    (
        CardFigure("slices", "auroc", Estimate(0.912, 0.871, 0.943, "patient bootstrap")),
        CardFigure("exams", "brier", Estimate(0.125, None, None, "none")),
    ),
    "medrec train configs/train/x.yaml --out RUN",
    ("Few patients.",),
)


def a_card(figures=FIGURES, calibrations=(), points=(), **facts):
    return render_card(a_manifest(**facts), calibrations, points, figures)


def test_every_figure_stands_in_the_card_with_its_interval_and_how_that_was_made():
    card = a_card()

    assert "| slices | auroc | 0.912 [0.871, 0.943] | patient bootstrap |" in card
    assert "| exams | brier | 0.125 (no interval) | none |" in card


def test_the_card_names_the_command_and_the_notes():
    card = a_card()

    assert "medrec train configs/train/x.yaml --out RUN" in card
    assert "Few patients." in card


def test_the_card_says_how_often_the_test_was_scored_before():
    words = {"summary": "S", "intended_use": "U", "limits": [], "training_data": "T"}
    before = ["by a first version", "by one at 256 px"]

    assert "kept for the test and scored once." in a_card(card=words)
    assert (
        "scored here, after they had been scored 2 times before: by a first version; by one at"
        " 256 px." in a_card(card={**words, "scored_before": before})
    )


def test_the_card_repeats_every_limit():
    words = {"summary": "S", "intended_use": "U", "training_data": "T"}

    card = a_card(card={**words, "limits": ["No children.", "No metal."]})

    assert "- No children.\n- No metal.\n" in card


def test_calibrators_stand_in_the_card_with_the_patients_they_were_fitted_on():
    entry = a_calibration("exam", patients=27, positives=13)

    card = a_card(calibrations=[entry])

    assert "| tumor, exam | platt | 27 | 13 | 0.050 [0.020, 0.090] |" in card


def test_operating_points_stand_in_the_card_with_where_they_were_measured():
    card = a_card(points=[a_point("exam", threshold=0.12345, measured_on="27 patients")])

    assert "| screening (tumor, exam) | 0.1235 | 0.900 [0.800, 0.950] |" in card
    assert "| 27 patients |" in card


def test_first_weights_from_a_file_stand_in_the_card_by_their_checksum():
    weights = {"kind": "file", "path": "RUN/backbone.safetensors", "sha256": "ab" * 32}

    card = a_card(model={"weights": weights})

    assert f"First weights from a local file, SHA-256 `{'ab' * 32}`." in card
    assert "backbone.safetensors" not in card
    assert "First weights from a local file" not in a_card()


def test_a_card_without_calibrators_says_that_the_model_gives_scores():
    assert "None: scores only." in a_card()


def test_a_pipe_in_a_cell_does_not_break_its_table():
    figures = CardFigures((CardFigure("a|b", "c", Estimate(0.5, 0.4, 0.6, "x|y")),), "medrec")

    card = a_card(figures)

    (row,) = [line for line in card.splitlines() if "0.500" in line]
    assert 5 == row.count("|")


def test_a_line_break_in_a_cell_does_not_break_its_table():
    card = a_card(points=[a_point("exam", measured_on="27 patients\nof two sites")])

    (row,) = [line for line in card.splitlines() if line.startswith("| screening")]
    assert row.endswith("| 27 patients of two sites |")


def test_the_card_says_what_the_model_may_be_asked():
    card = a_card(
        input={"modality": ["MR"], "sequence": ["flair"], "accepted_spacing_mm": (0.4, 2)}
    )

    assert "| modality | MR |" in card
    assert "| body part | any |" in card
    assert "| sequence | flair |" in card
    assert "| spacing (mm) | 0.4 to 2 |" in card


def test_the_card_says_what_it_is_not():
    card = a_card(license="CC-BY-4.0")

    assert "Not a medical device." in card
    assert "CC-BY-4.0" in card
    assert "No out-of-distribution gate" in card


def test_a_card_of_a_film_model_names_its_views_and_another_card_doesn_t():
    contract = {"modality": ["DX"], "view_position": ["PA", "AP"], "for_processing": "accept"}

    card = a_card(input=contract)

    assert "| view | PA, AP |" in card
    assert "| films | raw ones (FOR PROCESSING) too |" in card
    assert "| view |" not in a_card()


def test_a_card_without_an_exam_level_says_that_every_decision_is_defer():
    whole = a_card(calibrations=[a_calibration("image"), a_calibration("exam")])

    assert "every decision is `defer`" in a_card(calibrations=[a_calibration("image")])
    assert "every decision is `defer`" not in whole


def test_the_card_of_an_ensemble_says_how_many_networks_answer_and_how_they_were_calibrated():
    training = {**a_manifest().model_dump()["training"], "ensemble": "folds"}

    card = a_card(members=5, training=training)

    assert "| network | mean logit of 5 networks: test_efficientnet, 64 px |" in card
    assert "probabilities lie nearer to the prevalence than they need to" in card
