"""
A report on real Python source, made by a durable workflow: what `make demo` runs.

    find_files -> read_file (one task per file) -> merge -> report

Every result of every task is committed to PostgreSQL before the next step sees it.
The same four functions are then called in a plain loop, and both reports must be
equal, to the last figure and the fingerprint of all files.

    python examples/source_report.py             the standard library and site-packages
    python examples/source_report.py FOLDER ...  other source
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import re
import shutil
import sys
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from singularity_workflow import (
    Engine,
    RunMetadata,
    RunTimeout,
    SingularityError,
    SyncRunHandle,
    Workflow,
)

ADDRESSES = ("SINGULARITY_WORKFLOW_DATABASE_URL", "DATABASE_URL")
INTERRUPTED = 130  # what a shell makes of a program that Ctrl-C ended
NOT_SOURCE = {"site-packages", "dist-packages", "__pycache__"}
PACKAGE_FOLDERS = ("purelib", "platlib")
SHOWN = 6

# a line that imports something; in a docstring it may only look like one
IMPORT = re.compile(
    rb"^[ \t]*(?:import|from(?=[ \t]+[.\w]+[ \t]+import\b))[ \t]+(\.|\w+)", re.MULTILINE
)

# The workflow: four functions, of which the second runs once for each file


@dataclass
class Folder:
    """Source of one group, or of a group for each package."""

    path: str
    group: str | None = None


@dataclass
class SourceFile:
    path: str
    group: str


@dataclass
class Facts:
    file: SourceFile
    sha256: str
    lines: int
    imports: list[str]
    trouble: str | None = None


@dataclass
class Summary:
    groups: dict[str, list[int]]  # files, lines, imports
    modules: list[tuple[str, int]]
    longest: tuple[str, int]
    copies: int
    troubles: dict[str, int]
    fingerprint: str


workflow = Workflow("source_report")


@workflow.step
def find_files(input: list[Folder]) -> list[SourceFile]:
    found = []
    for root in input:
        for path in python_files(root.path):
            package = path.relative_to(root.path).parts[0].removesuffix(".py")
            found.append(SourceFile(str(path), root.group or package))
    return found


@workflow.map(over=find_files)
def read_file(item: SourceFile) -> Facts:
    source, trouble = b"", None
    try:
        source = Path(item.path).read_bytes()
        source.decode()
    except UnicodeDecodeError:
        trouble = "not in UTF-8"
    except OSError as error:
        trouble = f"unreadable ({error.strerror})"
    return Facts(
        file=item,
        sha256=hashlib.sha256(source).hexdigest(),
        lines=source.count(b"\n"),
        imports=[module.decode() for module in IMPORT.findall(source)],
        trouble=trouble,
    )


@workflow.step
def merge(read_file: list[Facts]) -> Summary:
    groups: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    modules: Counter[str] = Counter()
    all_files = hashlib.sha256()
    for facts in read_file:
        figures = (1, facts.lines, len(facts.imports))
        group = groups[facts.file.group]
        group[:] = map(sum, zip(group, figures, strict=True))
        modules.update(module for module in facts.imports if module != ".")
        all_files.update(f"{facts.sha256} {facts.file.path}\n".encode())
    longest = max(read_file, key=lambda facts: facts.lines, default=None)
    return Summary(
        groups=dict(groups),
        modules=modules.most_common(SHOWN),
        longest=(longest.file.path, longest.lines) if longest else ("none", 0),
        copies=len(read_file) - len({facts.sha256 for facts in read_file}),
        troubles=Counter(facts.trouble for facts in read_file if facts.trouble),
        fingerprint=all_files.hexdigest(),
    )


@workflow.step
def report(merge: Summary) -> list[str]:
    groups = sorted(merge.groups.items(), key=lambda group: -group[1][1])
    rows = groups[:SHOWN]
    if rest := groups[SHOWN:]:
        rows.append((f"{len(rest)} others", total(rest)))
    rows.append(("all", total(groups)))
    path, length = merge.longest
    modules = [f"{module} {count:,}" for module, count in merge.modules]
    troubles = [f"{count:,} {what}" for what, count in merge.troubles.items()]
    return [
        f"{'':20} {'files':>9} {'lines':>11} {'imports':>9}",
        *(f"{name:20.20} {f:9,} {n:11,} {i:9,}" for name, (f, n, i) in rows),
        "",
        f"most imported   {', '.join(modules)}",
        f"longest file    {'/'.join(Path(path).parts[-2:])}, {length:,} lines",
        f"copies          {merge.copies:,} files have the content of another",
        f"odd files       {', '.join(troubles) or 'none'}",
        f"fingerprint     {merge.fingerprint[:32]}",
    ]


def python_files(root: str) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in NOT_SOURCE)
        for name in sorted(files):
            # a name that is no text cannot be told to others, in JSON or otherwise
            if name.endswith(".py") and name.isprintable():
                yield Path(folder, name)


def total(groups: list[tuple[str, list[int]]]) -> list[int]:
    return [sum(figures[column] for _, figures in groups) for column in range(3)]


# Running it, and the same without an engine


def run_durably(handle: SyncRunHandle, progress: Progress) -> list[str]:
    while True:
        try:
            lines: list[str] = handle.result(timeout=0.1)["report"]
        except RunTimeout:
            progress.show(handle.status()[1])
        else:
            progress.show(handle.status()[1], is_last=True)
            return lines


def run_plainly(folders: list[Folder]) -> list[str]:
    return report(merge([read_file(file) for file in find_files(folders)]))


class Progress:
    """A line that is rewritten; where that is not possible, a line now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._started = self._shown = time.perf_counter()

    def show(self, run: RunMetadata, *, is_last: bool = False) -> None:
        now = time.perf_counter()
        if not (self._is_terminal or is_last or now - self._shown > 1):
            return
        self._shown = now
        done = run["completed_tasks"]
        # of a map it is not known before there is what it maps over
        counts = (step["initial_tasks"] for step in run["steps"])
        known = sum(1 if count is None else count for count in counts)
        rate = done / (now - self._started)
        line = f"tasks {bar(done, known)} {done:,} of {known:,}, {rate:,.0f} a second"
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r  {line}"[:width].ljust(width), end="\n" if is_last else "")
            sys.stdout.flush()
        else:
            print(f"  {line}", flush=True)


def bar(done: int, known: int, width: int = 30) -> str:
    filled = width * done // max(known, 1)
    return "█" * filled + "░" * (width - filled)


# The program


def main() -> int:
    folders = read_folders()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # some terminals know no blocks
    print("A durable workflow over real source, on a real PostgreSQL:")
    print("find_files -> read_file (one task per file) -> merge -> report\n")
    try:
        return compare(folders)
    except KeyboardInterrupt:
        print("\n\nInterrupted: everything was stopped in good order.")
        return INTERRUPTED
    except SingularityError as error:
        print(f"\n\n{error}", file=sys.stderr)
        if (address := address_variable()) is not None:
            hint = f"{address} names the server; unset it for the embedded one."
            print(hint, file=sys.stderr)
        return 1


def read_folders() -> list[Folder]:
    parser = argparse.ArgumentParser(description="Report on Python source, durably.")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", type=Path)
    given = [Folder(str(path.resolve())) for path in parser.parse_args().folders]
    packages = {Path(sysconfig.get_path(name)).resolve() for name in PACKAGE_FOLDERS}
    return given or [
        Folder(sysconfig.get_path("stdlib"), "standard library"),
        *(Folder(str(path)) for path in sorted(packages)),
    ]


def address_variable() -> str | None:
    return next((name for name in ADDRESSES if os.environ.get(name)), None)


def compare(folders: list[Folder]) -> int:
    where = address_variable() or "embedded"
    print(f"  PostgreSQL ({where})", end=" ", flush=True)
    started = time.perf_counter()
    with Engine() as engine:
        engine.register(workflow)
        print(f"ready after {seconds_since(started):.2f} s")

        started = time.perf_counter()
        handle = engine.start(workflow, folders)
        try:
            durable = run_durably(handle, Progress())
        except KeyboardInterrupt:
            with contextlib.suppress(SingularityError):  # it may have ended just now
                handle.cancel("interrupted")
            raise
        engine_seconds = seconds_since(started)
        tasks = handle.status()[1]["completed_tasks"]

    started = time.perf_counter()
    plain = run_plainly(folders)
    plain_seconds = seconds_since(started)

    print("", *(f"  {line}".rstrip() for line in durable), "", sep="\n")
    print(
        f"  engine      {engine_seconds:6.2f} s   {tasks:,} tasks, "
        f"{tasks / engine_seconds:,.0f} steps a second, each result committed\n"
        f"  plain loop  {plain_seconds:6.2f} s   one process, nothing stored\n"
    )
    if durable == plain:
        print(f"Both agree: {tasks:,} durable tasks gave what the plain loop gives.")
        return 0
    print("They differ: the workflow's report is not that of the plain loop.")
    return 1


def seconds_since(started: float) -> float:
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
