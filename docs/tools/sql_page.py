"""
The page of the SQL functions, from the heads of their files.
"""

# ruff: noqa: INP001 - a folder of scripts, not a package
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import singularity_workflow

__all__ = ["read_functions", "sql_page"]

FOLDER = Path(singularity_workflow.__file__).parent / "sql" / "functions"

_HEAD = """\
# SQL functions

All of them are in the schema `singularity_workflow`. The public ones may be called by
any language, a trigger or `psql`, inside the caller's own transaction, which must be
`READ COMMITTED`. Refusals have an SQLSTATE of their own; see [errors](errors.md).
Generated from the heads of the files in `sql/functions/`; locks are taken in the order
of [locks](../internals/locks.md).
"""

_FIELD = re.compile(r"(Called by|Locks|Errors)\s+(.*)")
_FLAGS = re.DOTALL | re.MULTILINE
_SIGNATURE = re.compile(r"^create or replace function (.*?)^language", _FLAGS)
_COMMENT = re.compile(r"^comment on function .*? is\s+'((?:[^']|'')*)'", _FLAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFunction:
    """
    What the head of one file says.

    Args:
        name: Of the function, without its schema.
        folder: The area.
        summary: The first sentence.
        fields: `Called by`, `Locks` and `Errors`.
        text: The paragraphs that follow.
        signature: The declaration, up to its language.
        comment: What the database knows of it.
    """

    name: str
    folder: str
    summary: str
    fields: dict[str, str]
    text: tuple[str, ...]
    signature: str
    comment: str

    @property
    def is_public(self) -> bool:
        """Whether its signature is a promise."""
        return re.search(r"\bpublic$", self.fields["Called by"]) is not None


def read_functions() -> list[SqlFunction]:
    """Return the functions in the order of their files."""
    return [_read(path) for path in sorted(FOLDER.glob("*/*.sql"))]


def sql_page() -> str:
    """Return the page."""
    functions = read_functions()
    lines = [_HEAD, "## Public", ""]
    for one in functions:
        if one.is_public:
            lines += _describe(one)
    lines += ["## Internal", "", "Theirs can change with any version.", ""]
    lines += ["| function | what it does | called by |", "|---|---|---|"]
    for one in functions:
        if not one.is_public:
            caller = one.fields["Called by"]
            lines.append(f"| `{one.folder}/{one.name}` | {one.comment} | {caller} |")
    return "\n".join(lines) + "\n"


def _describe(one: SqlFunction) -> list[str]:
    lines = [f"### {one.name}", "", _sentence(one.summary), ""]
    lines += ["```sql", one.signature, "```", ""]
    for paragraph in one.text:
        lines += [paragraph, ""]
    for title in ("Locks", "Errors"):
        lines.append(f"- {title}: {one.fields[title]}")
    return [*lines, ""]


def _read(path: Path) -> SqlFunction:
    source = path.read_text("utf-8")
    head = [
        line.removeprefix("--").removeprefix(" ")
        for line in source.split("create or replace function")[0].splitlines()
        if line.startswith("--")
    ]
    paragraphs = "\n".join(head).split("\n\n")
    name, _, summary = paragraphs[0].partition(":")
    fields: dict[str, str] = {}
    title = ""
    for line in paragraphs[1].splitlines():
        if found := _FIELD.match(line):
            title = found[1]
            fields[title] = found[2]
        else:
            fields[title] += f" {line.strip()}"
    signature, comment = _SIGNATURE.search(source), _COMMENT.search(source)
    if signature is None or comment is None or len(fields) != 3:
        raise ValueError(f"the head of {path} cannot be read")
    return SqlFunction(
        name=name.removeprefix("singularity_workflow."),
        folder=path.parent.name,
        summary=" ".join(summary.split()),
        fields=fields,
        text=tuple(" ".join(one.split()) for one in paragraphs[2:]),
        signature=signature[1].rstrip(),
        comment=" ".join(comment[1].replace("''", "'").split()),
    )


def _sentence(text: str) -> str:
    text = text.rstrip(".")
    return f"{text[0].upper()}{text[1:]}."
