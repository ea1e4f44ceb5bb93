"""
Write the pages of docs/reference that follow from the source.

    python docs/tools/reference.py            write them
    python docs/tools/reference.py --check    only tell which are out of date
"""

# ruff: noqa: INP001 - a folder of scripts, not a package
from __future__ import annotations

import json
import sys
from pathlib import Path

from api_page import api_page
from other_pages import cli_page, errors_page, options_page, settings_page
from sql_page import sql_page

from singularity_workflow import Flow

__all__ = ["FOLDER", "outdated", "pages"]

FOLDER = Path(__file__).parents[1] / "reference"


def pages() -> dict[str, str]:
    """Return the generated pages by the names of their files."""
    return {
        "api.md": api_page(),
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "flow.schema.json": json.dumps(Flow.json_schema(), indent=2) + "\n",
        "options.md": options_page(),
        "settings.md": settings_page(),
        "sql_functions.md": sql_page(),
    }


def outdated() -> list[str]:
    """Return the names of the pages that are not what the source says."""
    return [
        name
        for name, text in pages().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text("utf-8") != text
    ]


def main() -> int:
    """Do what the command line says."""
    if "--check" in sys.argv[1:]:
        found = outdated()
        for name in found:
            print(f"{FOLDER / name} is out of date")  # noqa: T201
        return bool(found)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
