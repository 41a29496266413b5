"""Write schema/KIND.json for every kind of config: editors check a YAML by it as it is typed.

The recipes in lesions/ are copied into the package, which brings them to where it is installed.
"""

from __future__ import annotations

import json
from pathlib import Path

from medrec.config.kinds import SCHEMAS, json_schema
from medrec.config.planting import SHIPPED

RECIPES = Path(__file__).parent / "lesions"
FOLDER = Path(__file__).parent / "schema"


def to_text(kind: str) -> str:
    """The file's content, the same on every machine."""
    return json.dumps(json_schema(kind), indent=2, sort_keys=True) + "\n"


def to_shipped(recipe: Path) -> str:
    """A recipe as the package brings it: without its first line, which names a schema beside it."""
    return recipe.read_text(encoding="utf-8").partition("\n")[2]


def main() -> None:
    """Write them all."""
    for recipe in sorted(RECIPES.glob("*.yaml")):
        (SHIPPED / recipe.name).write_text(to_shipped(recipe), encoding="utf-8")
    FOLDER.mkdir(exist_ok=True)
    for kind in SCHEMAS:
        (FOLDER / f"{kind}.json").write_text(to_text(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
