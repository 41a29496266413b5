from __future__ import annotations

import pytest

from medrec.domain.modality import Sequence
from medrec.io.sequence import MrTags, tell_sequence


@pytest.mark.parametrize(
    ("description", "sequence"),
    [
        ("AX T1 POST GD", Sequence.T1C),
        ("t1_mprage_sag +C", Sequence.T1C),
        ("T1/gd", Sequence.T1C),
        ("T1 ce", Sequence.T1C),
        ("t1_tse_contrast", Sequence.T1C),
        ("AX T1 C+", Sequence.T1C),
        ("AX T1", Sequence.T1),
        ("t1w_se_tra", Sequence.T1),
        ("AX T1 PRE CONTRAST", Sequence.T1),
        ("T1 without contrast", Sequence.T1),
        ("T1 w/o contrast", Sequence.T1),
        ("SAG MPRAGE", Sequence.T1),
        ("AX FLAIR", Sequence.FLAIR),
        ("t2_tirm_tra_dark-fluid", Sequence.FLAIR),
        ("AX T2 FLAIR POST", Sequence.FLAIR),
        ("AX T1 FLAIR", Sequence.T1),
        ("AX T1 FLAIR POST", Sequence.T1C),
        ("AX T2 FSE", Sequence.T2),
        ("t2_tse_tra", Sequence.T2),
        ("T2* GRE", Sequence.OTHER),
        ("SWI_Images", Sequence.OTHER),
        ("DWI b1000", Sequence.DWI),
        ("ep2d_diff_3scan_trace_ADC", Sequence.DWI),
        ("TOF 3D MRA", Sequence.OTHER),
        ("brain", None),
        ("T1 and T2", None),
        ("", None),
    ],
)
def test_words_tell_the_sequence(description, sequence):
    assert sequence is tell_sequence(MrTags(series_description=description))


def test_the_protocol_speaks_where_the_description_is_silent():
    tags = MrTags(series_description="s3", protocol_name="Ax T2")

    assert tell_sequence(tags) is Sequence.T2


@pytest.mark.parametrize("agent", ["Gadovist", "10 ML"])
def test_a_contrast_agent_makes_a_t1_contrast_enhanced(agent):
    tags = MrTags(series_description="AX T1", contrast_agent=agent)

    assert tell_sequence(tags) is Sequence.T1C


@pytest.mark.parametrize("agent", ["", "NONE", " no "])
def test_no_agent_is_no_agent(agent):
    tags = MrTags(series_description="AX T1", contrast_agent=agent)

    assert tell_sequence(tags) is Sequence.T1


@pytest.mark.parametrize(
    ("kind", "times", "sequence"),
    [
        (("SE",), (500, 12, None), Sequence.T1),
        (("SE",), (4000, 95, None), Sequence.T2),
        (("SE",), (1500, 50, None), None),
        (("SE", "IR"), (9000, 120, 2500), Sequence.FLAIR),
        (("IR",), (4000, 90, 150), None),
        (("EP", "SE"), (5000, 90, None), None),
        (("GR",), (500, 12, None), None),
        ((), (500, 12, None), None),
    ],
)
def test_times_tell_the_sequence_where_they_are_clear(kind, times, sequence):
    repetition, echo, inversion = times
    tags = MrTags(
        scanning_sequence=kind,
        repetition_time_ms=repetition,
        echo_time_ms=echo,
        inversion_time_ms=inversion,
    )

    assert sequence is tell_sequence(tags)
