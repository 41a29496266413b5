"""Data from its config."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, assert_never

from medrec.config.data import ManifestData, MasksData, TableData
from medrec.data import pieces
from medrec.data.cache import PictureCache
from medrec.data.importers import import_masks
from medrec.data.importers_table import ColumnMapping, import_table
from medrec.data.manifest import read_manifest
from medrec.data.mask_truth import MaskRule
from medrec.data.pack import PackFormat, PicturePack
from medrec.data.splits import plan_splits, read_places, read_splits, write_splits
from medrec.data.unlabelled import choose_unlabelled, list_volumes
from medrec.errors import ConfigError, ManifestError
from medrec.lesions.keeping import FINDING
from medrec.preprocess.pipeline import ARITHMETIC
from medrec.preprocess.volumes import VolumePreprocessor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medrec.config.cache import CacheConfig
    from medrec.config.data import Data
    from medrec.config.selection import RulesConfig
    from medrec.config.training import SplitConfig
    from medrec.data.splits import SplitPlan
    from medrec.data.unlabelled import Patients
    from medrec.domain.reference import Reference
    from medrec.preprocess.greys import GreyPreprocessor
    from medrec.preprocess.pipeline import Preprocessor

# They decode or compute pixels: another version may give another last bit.
_LIBRARIES = (
    "imagecodecs", "monai", "nibabel", "numpy", "pillow", "pydicom", "pyjpegls",
    "pylibjpeg-openjpeg", "pylibjpeg-rle", "scipy", "torch",
)  # fmt: skip


def build_references(
    config: Data, *, labels: Sequence[str], folder: Path
) -> tuple[list[Reference], Path]:
    """Read what the config says of the data: the rows, and the folder that their paths start from.

    `folder` is the config's own: relative paths of the config start there.

    Raises:
        ManifestError: The archive isn't here (with where to get it), or rows that are wrong.
    """
    match config:
        case ManifestData(manifest=manifest):
            return read_manifest(folder / manifest, labels=labels), (folder / manifest).parent
        case MasksData():
            root = _root_of(config, folder)
            cases = root / config.cases if config.cases else None
            rule = MaskRule(label=config.label)
            references = import_masks(
                root, images=config.images, mask=config.mask, rule=rule, cases=cases
            )
            return references, root
        case TableData():
            root = _root_of(config, folder)
            return _read_table(config, labels, root), root
        case _:
            assert_never(config)


def _root_of(config: MasksData | TableData, folder: Path) -> Path:
    root = folder / config.root if config.root else None
    if root is None or not root.is_dir():
        problem = f"set data.root to the archive's folder; get it from {config.get_it_from}"
        raise ManifestError(str(root or "data.root"), [problem])
    return root


def _read_table(config: TableData, labels: Sequence[str], root: Path) -> list[Reference]:
    absent = [f"label {name}: data.labels doesn't say how it is told" for name in labels
              if name not in config.labels]  # fmt: skip
    if absent:
        raise ManifestError(config.table, absent)
    mapping = ColumnMapping(
        path=config.path,
        patient=config.patient,
        labels={name: config.labels[name] for name in labels},
        attributes=config.attributes,
        mask=config.mask,
        split=config.split,
    )
    return import_table(root / config.table, mapping, root=root, same_patient=config.same_patient)


def build_unlabelled(
    config: Data, *, splits: Path | None, patients: Patients, folder: Path
) -> tuple[list[Reference], Path]:
    """Rows of the scans that may teach without labels, and the folder that their paths start from.

    Raises:
        ManifestError: The archive isn't here, or rows or splits that are wrong.
        DataSplitError: Nobody knows who is held out, or nobody is left.
    """
    match config:
        case MasksData(images=images, mask=mask):
            root = _root_of(config, folder)
            references = list_volumes(root, images, mask=mask)
        case _:
            references, root = build_references(config, labels=(), folder=folder)
    places = read_places(folder / splits) if splits else None
    return choose_unlabelled(references, places, patients=patients), root


def build_splits(
    config: SplitConfig, references: Sequence[Reference], *, folder: Path
) -> SplitPlan:
    """Read the frozen splits, or plan them and freeze them where the config names a file.

    Raises:
        ManifestError: A frozen file that is wrong or doesn't place every patient.
        DataSplitError: Too few patients to split.
    """
    path = folder / config.file if config.file else None
    if path and path.exists():
        return read_splits(path, references)
    plan = plan_splits(
        references,
        test_fraction=config.test_fraction,
        folds=config.folds,
        stratify_by=config.stratify_by,
        seed=config.seed,
    )
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_splits(path, plan)
    return plan


def build_cache(
    config: CacheConfig | None,
    prepare: Preprocessor | VolumePreprocessor,
    *,
    folder: Path,
    rules: RulesConfig | None = None,
    say: Callable[[str], None] | None = None,
    workers: int = 0,
) -> PictureCache:
    """The cache of what `prepare` makes of slices or of volumes, below `folder`.

    Raises:
        ConfigError: Bytes for pictures that aren't clipped to [0, 1].
    """
    dtype = (config and config.dtype) or "float16"
    if dtype == "uint8" and not prepare.clip:
        problem = (
            "cache.dtype: uint8 holds values from 0 to 1, but preprocess.intensity.clip is off"
        )
        raise ConfigError(str(folder), [problem])
    recipe = recipe_of(prepare)
    spacing_mm = prepare.spacing_mm if isinstance(prepare, VolumePreprocessor) else None
    if spacing_mm is not None:
        shape: tuple[int, ...] = pieces.SHAPE
    elif isinstance(prepare, VolumePreprocessor):
        shape = (1, *prepare.size)
    else:
        shape = (1, prepare.size_px, prepare.size_px)
    pack_format = PackFormat(recipe, shape, dtype)
    words = rules.model_dump_json(exclude_none=True) if rules else ""
    pack = PicturePack(folder, pack_format)
    return PictureCache(pack, words, say or (lambda _: None), workers, spacing_mm)


def build_grey_cache(
    prepare: GreyPreprocessor,
    *,
    anatomy: str,
    folder: Path,
    rules: RulesConfig | None = None,
    say: Callable[[str], None] | None = None,
    workers: int = 0,
) -> PictureCache:
    """The cache of greys and of where lesions may lie in them, below `folder`.

    `anatomy` says what was looked for in the films.
    """
    chain = prepare.chain
    recipe = {**recipe_of(chain), "greys": {"anatomy": anatomy, "finding": FINDING}}
    shape = (1, chain.size_px, chain.size_px)
    words = rules.model_dump_json(exclude_none=True) if rules else ""
    pack = PicturePack(folder, PackFormat(recipe, shape, "uint16"))
    return PictureCache(pack, words, say or (lambda _: None), workers)


def recipe_of(prepare: Any) -> dict[str, Any]:  # noqa: ANN401 (any dataclass that prepares)
    """All that the pixels of a file depend on beside it: fields, code, libraries.

    A field that is None asks for nothing: one that a later version adds changes no recipe.
    """
    fields = {name: value for name, value in asdict(prepare).items() if value is not None}
    return {
        "prepare": {type(prepare).__name__: fields},
        "arithmetic": ARITHMETIC,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
