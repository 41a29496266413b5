"""The profile's table, and what each of its actions is taken for."""

from __future__ import annotations

import pytest
from pydicom.datadict import DicomDictionary, tag_for_keyword

from medrec.io.deidentify_profile import Action, action_of, table


def test_the_table_is_whole():
    assert 655 == len(table())
    assert {"D", "Z", "X", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"} == set(table().values())


@pytest.mark.parametrize(
    ("keyword", "action"),
    [
        ("PatientName", Action.EMPTY),
        ("PatientBirthDate", Action.EMPTY),
        ("AccessionNumber", Action.EMPTY),
        ("StudyDescription", Action.REMOVE),
        ("SeriesDescription", Action.REMOVE),
        ("RequestAttributesSequence", Action.REMOVE),
        ("OriginalAttributesSequence", Action.REMOVE),
        ("IconImageSequence", Action.REMOVE),
        ("DigitalSignaturesSequence", Action.REMOVE),
        ("ImageComments", Action.REMOVE),
        ("OperatorsName", Action.DUMMY),
        ("InstitutionName", Action.DUMMY),
        ("DeviceSerialNumber", Action.DUMMY),
        ("StudyInstanceUID", Action.MAP_UID),
        ("FrameOfReferenceUID", Action.MAP_UID),
        ("ReferencedImageSequence", Action.MAP_UID),
        ("Rows", Action.CHECK),
    ],
)
def test_an_attribute_meets_the_profiles_action(keyword, action):
    assert action == action_of(tag_for_keyword(keyword))


@pytest.mark.parametrize(
    "tag", [0x00090010, 0x50003000, 0x501E0022, 0x60003000, 0x60024000, 0x60000010, 0xFFFCFFFC,
            0x00080000, 0x00020016, 0x40000010],
)  # fmt: skip
def test_private_elements_curves_overlays_and_padding_are_removed(tag):
    assert Action.REMOVE == action_of(tag)


def test_a_combined_action_never_leaves_a_required_element_out():
    combined = [tag for tag, code in table().items() if "/" in code and "X" in code]

    assert len(combined) > 40
    assert [] == [tag for tag in combined if action_of(int(tag, 16)) is Action.REMOVE]


def test_nothing_that_is_said_of_the_patient_stays_as_it_is():
    persons = [tag for tag in DicomDictionary if tag >> 16 == 0x0010]

    assert len(persons) > 50
    assert [] == [hex(tag) for tag in persons if action_of(tag) is Action.CHECK]
