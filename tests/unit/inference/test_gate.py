from pathlib import Path

import numpy as np
import pytest

from medrec.domain.codes import NoteCode, ReasonCode
from medrec.domain.geometry import Geometry
from medrec.domain.modality import FileFormat, Modality, Sequence
from medrec.domain.series import ImageHeader
from medrec.domain.volume import Volume
from medrec.errors import RefusedScanError
from medrec.inference.gate import check_header, check_volume
from medrec.package.contract import InputContract

CONTRACT = InputContract(
    modality=[Modality.MR], body_part=["BRAIN", "HEAD"], sequence=[Sequence.FLAIR]
)


def header(**facts):
    base = {"path": Path("a"), "source": "a", "format": FileFormat.DICOM, "identity": "1"}
    return ImageHeader(**{**base, "shape": (64, 64, 1), **facts})


def volume(voxels, **facts):
    stack = np.asarray(voxels, dtype=np.float32)[None]
    sources = ("a",) * stack.shape[3]
    return Volume(stack, facts.get("geometry"), slice_axis=2, slice_sources=sources)


def test_known_facts_within_the_contract_pass_without_a_note():
    facts = {"modality": Modality.MR, "body_part": "BRAIN", "sequence": Sequence.FLAIR}

    assert check_header(header(**facts), CONTRACT) == ()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"modality": Modality.CR}, "modality is CR, where the model was made for MR"),
        ({"body_part": "CHEST"}, "body part is CHEST, where the model was made for BRAIN, HEAD"),
        ({"sequence": Sequence.T2}, "sequence is t2, where the model was made for flair"),
    ],
)
def test_a_known_fact_outside_the_contract_is_refused_by_name(facts, words):
    with pytest.raises(RefusedScanError) as error:
        check_header(header(**facts), CONTRACT)

    assert (ReasonCode.OUT_OF_SCOPE, words) == (error.value.code, error.value.detail)


def test_unknown_facts_are_assumed_with_a_note_never_refused():
    notes = check_header(header(), CONTRACT)

    assert [NoteCode.MODALITY_ASSUMED, NoteCode.SEQUENCE_ASSUMED] == [note.code for note in notes]


def test_the_users_word_stands_in_for_an_unknown_modality_only():
    with pytest.raises(RefusedScanError, match="modality is CT"):
        check_header(header(), CONTRACT, modality=Modality.CT)

    check_header(header(modality=Modality.MR), CONTRACT, modality=Modality.CT)


def test_a_slice_of_a_volume_is_no_film():
    contract = InputContract(modality=[Modality.DX], dimensionality="image")

    with pytest.raises(RefusedScanError, match="made for single images"):
        check_header(header(shape=(64, 64, 20)), contract)


def test_a_mask_is_not_scored_as_a_scan():
    mask = np.zeros((32, 32, 4))
    mask[8:16] = 1

    with pytest.raises(RefusedScanError, match="only 2 grey levels"):
        check_volume(volume(mask), CONTRACT)


def test_grey_levels_are_counted_where_a_sample_of_voxels_shows_few():
    sparse = np.zeros((400, 400, 4))
    sparse.ravel()[1:40:2] = np.arange(20)

    check_volume(volume(sparse), CONTRACT)


def test_values_outside_the_intensity_range_are_refused():
    contract = InputContract(modality=[Modality.MR], intensity_range=(0, 100))
    ramp = np.arange(64.0).reshape(4, 4, 4)

    check_volume(volume(ramp), contract)
    with pytest.raises(RefusedScanError, match="accepted are 0 to 100"):
        check_volume(volume(ramp * 2), contract)


def test_too_few_slices_and_foreign_spacing_are_refused():
    ramp = np.arange(64.0).reshape(4, 4, 4)
    with pytest.raises(RefusedScanError, match="4 slices, where the model needs 8"):
        check_volume(volume(ramp), InputContract(modality=[Modality.MR], minimum_slices=8))

    contract = InputContract(modality=[Modality.MR], accepted_spacing_mm=(0.2, 2.0))
    wide = Geometry(np.diag([3.0, 3.0, 5.0, 1.0]))
    with pytest.raises(RefusedScanError, match=r"3.00 x 3.00 mm"):
        check_volume(volume(ramp, geometry=wide), contract)


FILMS = InputContract(
    modality=[Modality.DX, Modality.MG], view_position=["PA"], dimensionality="image"
)


def test_a_view_that_the_model_was_not_made_for_is_refused_and_an_unknown_one_is_not():
    with pytest.raises(RefusedScanError, match="view is LL, where the model was made for PA"):
        check_header(header(modality=Modality.DX, view_position="LL"), FILMS)

    assert check_header(header(modality=Modality.DX), FILMS) == ()


@pytest.mark.parametrize(
    ("contract", "user", "is_refused"),
    [
        ("refuse", None, True),
        ("refuse", "accept", False),
        ("accept", None, False),
        ("accept", "refuse", True),
    ],
)
def test_raw_detector_values_are_refused_unless_the_contract_or_the_user_accepts_them(
    contract, user, is_refused
):
    contract = FILMS.model_copy(update={"for_processing": contract})
    raw = header(modality=Modality.DX, is_for_processing=True)

    if not is_refused:
        assert check_header(raw, contract, for_processing=user) == ()
        return
    with pytest.raises(RefusedScanError, match="raw detector values") as error:
        check_header(raw, contract, for_processing=user)
    assert error.value.code == ReasonCode.OUT_OF_SCOPE


def test_a_contract_that_doesn_t_speak_of_raw_films_refuses_them():
    assert InputContract.model_validate({"modality": ["DX"]}).for_processing == "refuse"


def test_a_film_whose_header_gives_it_a_place_is_no_slice():
    film = header(modality=Modality.DX, position_lps_mm=(0.0, 0.0, 0.0))

    assert check_header(film, FILMS) == ()
