from __future__ import annotations

from medrec.domain.codes import NoteCode, ReasonCode
from medrec.reporting.explanations import NOTES, REASONS


def test_every_reason_and_note_is_explained():
    assert set(ReasonCode) == set(REASONS)
    assert set(NoteCode) == set(NOTES)


def test_every_reason_tells_what_to_do_unless_nothing_is_wrong():
    without = {code for code, words in REASONS.items() if not words.action}

    assert without == {ReasonCode.LOCALIZER}


def test_explanations_are_whole_sentences():
    for words in (*REASONS.values(), *NOTES.values()):
        assert words.title
        assert words.meaning.endswith(".")
        assert not words.action or words.action.endswith(".")
