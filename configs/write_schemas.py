"""Write schema/KIND.json for every kind of config: editors check a YAML by it as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from medrec.config.kinds import SCHEMAS, json_schema

FOLDER = Path(__file__).parent / "schema"


def to_text(kind: str) -> str:
    """The file's content, the same on every machine."""
    return json.dumps(json_schema(kind), indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for kind in SCHEMAS:
        (FOLDER / f"{kind}.json").write_text(to_text(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
