from __future__ import annotations

import pytest
from package_factory import a_manifest
from pydantic import ValidationError

from medrec.package.contract import InputContract, PackageManifest


def test_a_manifest_survives_its_own_yaml_data():
    manifest = a_manifest(prevalence={"image": 0.3, "exam": 0.5})

    data = manifest.model_dump(mode="json", exclude_none=True)

    assert manifest == PackageManifest.model_validate(data)


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="colour"):
        a_manifest(colour="blue")


def test_an_unknown_key_of_the_input_contract_is_refused():
    with pytest.raises(ValidationError, match=r"input\.mode"):
        a_manifest(input={"modality": ["MR"], "mode": "axial"})


def test_the_primary_label_must_be_a_label():
    with pytest.raises(ValidationError, match="'edema' is none of the labels"):
        a_manifest(primary_label="edema")


def test_a_model_without_a_label_is_refused():
    with pytest.raises(ValidationError, match="labels"):
        a_manifest(labels=[])


def test_a_contract_without_a_modality_is_refused():
    with pytest.raises(ValidationError, match="modality"):
        InputContract(modality=[])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_prevalence_that_no_odds_can_be_had_of_is_refused(share):
    with pytest.raises(ValidationError, match=r"prevalence\.exam"):
        a_manifest(prevalence={"exam": share})


@pytest.mark.parametrize("name", ["Model", "a model", "../model", ""])
def test_a_name_that_could_be_a_path_is_refused(name):
    with pytest.raises(ValidationError, match="name"):
        a_manifest(name=name)


def test_a_digest_is_sha256():
    facts = a_manifest().model_dump()

    with pytest.raises(ValidationError, match="data_digest"):
        a_manifest(training={**facts["training"], "data_digest": "md5:00"})
