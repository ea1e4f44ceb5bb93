"""Real servers in folders of their own, and processes that use them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from singularity_workflow.store.embedded import acquire_server
from singularity_workflow.store.embedded.binaries import (
    BINARIES_VARIABLE,
    find_binaries,
)
from singularity_workflow.store.embedded.folders import HOME_VARIABLE, Folders
from singularity_workflow.store.embedded.postmaster import is_alive, read_pid_file

ROOT = Path(__file__).parents[2]

HOLDER = """
import json, sys
from singularity_workflow.store.embedded import acquire_server
server = acquire_server()
print(json.dumps({"dsn": server.dsn, "data": str(server.data)}), flush=True)
for line in sys.stdin:
    if line.strip() == "release":
        server.release()
        print(json.dumps("released"), flush=True)
"""


class Place:
    """A data folder for one test, and what is known about its server."""

    def __init__(self, home):
        self.home = home
        self.folders = Folders(home=home, major=find_binaries().major)

    @property
    def is_alive(self):
        return self.folders.base.exists() and is_alive(self.folders)

    @property
    def postmaster(self):
        found = read_pid_file(self.folders.data)
        return found.pid if found else None

    def kill_postmaster(self):
        os.kill(self.postmaster, signal.SIGKILL)


class UserProcess:
    """A Python process that talks to the test by lines of JSON."""

    def __init__(self, script, *arguments, **options):
        options.setdefault("env", os.environ | python_path())
        self._process = subprocess.Popen(
            [options.pop("python", sys.executable), "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        self.pid = self._process.pid

    def read(self):
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.wait()}"
        return json.loads(line)

    def say(self, word):
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def kill(self):
        self._process.kill()
        return self.end()

    def end(self):
        self._process.stdin.close()
        code = self._process.wait(60)
        self._process.stdout.close()
        return code


def python_path():
    import psycopg

    return {"PYTHONPATH": f"{ROOT / 'src'}:{Path(psycopg.__file__).parents[1]}"}


def make_open_folder():
    """Make a folder that the server's account can enter, unlike tmp_path as root."""
    made = Path(tempfile.mkdtemp(prefix="swf-test-", dir="/tmp")).resolve()
    made.chmod(0o755)
    return made


@pytest.fixture(autouse=True)
def no_binaries_are_named(monkeypatch):
    """The environment of whoever runs the tests decides nothing."""
    monkeypatch.delenv(BINARIES_VARIABLE, raising=False)


@pytest.fixture
def home(monkeypatch):
    """The data folder of this test, which does not exist yet."""
    made = make_open_folder()
    monkeypatch.setenv(HOME_VARIABLE, str(made / "home"))
    yield made / "home"
    shutil.rmtree(made)


@pytest.fixture
def empty_place(home):
    """No server has been here."""
    place = Place(home)
    yield place
    end_server(place)


def end_server(place):
    # a failed test may have left one
    if place.is_alive and place.postmaster:
        os.kill(place.postmaster, signal.SIGQUIT)
        eventually(lambda: not place.is_alive)


@pytest.fixture(scope="session")
def used_home():
    """A data folder whose server has been stopped."""
    made = make_open_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(BINARIES_VARIABLE, raising=False)
        acquire_server(made / "home").release()
    yield made / "home"
    shutil.rmtree(made)


@pytest.fixture
def place(used_home, monkeypatch):
    """A server that was made before and is stopped; tests leave its data alone."""
    monkeypatch.setenv(HOME_VARIABLE, str(used_home))
    place = Place(used_home)
    yield place
    end_server(place)


@pytest.fixture
def own_place(empty_place, used_home):
    """A copy of `place`, for a test that does something to its folders."""
    subprocess.run(["cp", "-a", used_home, empty_place.home], check=True)
    return empty_place


@pytest.fixture
def start_process():
    """Start processes that the test's end ends."""
    started = []

    def start(script, *arguments, **options):
        process = UserProcess(script, *arguments, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def start_holder(start_process):
    """Start a process that has acquired the server when this returns."""

    def start():
        process = start_process(HOLDER)
        process.read()
        return process

    return start


def eventually(condition, seconds=20):
    """Wait until *condition* holds; fail when it has not for too long."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        pause.wait(0.005)


@pytest.fixture(name="eventually")
def eventually_fixture():
    return eventually


@pytest.fixture
def fake_binaries(home, monkeypatch):
    """Install a PostgreSQL whose initdb is the script that the test gives."""

    def install(script):
        real = find_binaries().folder
        version = f'[ "$1" = --version ] && exec {real}/initdb --version'
        folder = home.parent / "fake" / "bin"
        folder.mkdir(parents=True)
        (folder / "postgres").symlink_to(real / "postgres")
        (folder / "initdb").write_text(f"#!/bin/sh\n{version}\n{script}\n")
        (folder / "initdb").chmod(0o755)
        monkeypatch.setenv(BINARIES_VARIABLE, str(folder))
        return folder

    return install


@pytest.fixture
def outsider():
    """Run a script as another user, nobody unless one is named."""

    def run(script, *arguments, user=65534, **environment):
        return subprocess.run(
            [python_for(user), "-c", script, *arguments],
            check=True,
            capture_output=True,
            cwd="/",
            env=os.environ | python_path() | environment,
            extra_groups=[],
            group=user,
            text=True,
            user=user,
        ).stdout

    return run


def python_for(user):
    """Find an interpreter with psycopg that *user* may run."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            probe = subprocess.run(
                [python, "-c", "import psycopg"],
                check=False,
                capture_output=True,
                cwd="/",
                env=os.environ | python_path(),
                user=user,
            )
        except OSError:
            continue
        if probe.returncode == 0:
            return python
    return pytest.skip("no Python that another user may run")


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("root"):
                item.add_marker(pytest.mark.skip(reason="needs root"))
