"""The database goes away and comes back: steps go on, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from engine.support import PATIENCE, make_workflow, run, single, until
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from singularity_workflow import AsyncEngine, ConnectionFailed, RetryPolicy


class Gate:
    """
    A way to the server that can be shut; what goes through it is cut then.

    Args:
        dsn: Of a database behind it.
    """

    def __init__(self, dsn):
        parts = conninfo_to_dict(dsn)
        self._host, self._port = parts["host"], int(parts.get("port") or 5432)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._sockets = set()
        self._is_open = True
        port = self._server.getsockname()[1]
        self.dsn = make_conninfo(dsn, host="127.0.0.1", port=port)
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self):
        self._is_open = False
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def open(self):
        self._is_open = True

    def close(self):
        self.shut()
        self._server.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if not self._is_open:
                client.close()
                continue
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            self._sockets |= {client, server}
            self._pump(client, server)
            self._pump(server, client)

    def _connect(self):
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        found = socket.socket(socket.AF_UNIX)
        found.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return found

    def _pump(self, source, target):
        pump = threading.Thread(target=self._copy, args=(source, target), daemon=True)
        pump.start()

    def _copy(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            self._sockets.discard(one)


@pytest.fixture
def gate(private):
    found = Gate(private)
    yield found
    found.close()


def test_steps_that_end_during_an_outage_are_recorded_after_it(gate):
    """
    None runs a second time, and what follows goes on.
    """

    async def main():
        go = asyncio.Event()
        ran = []
        flow = make_workflow()

        @flow.map
        async def each(item):
            ran.append(item)
            await go.wait()
            return item

        @flow.step
        async def total(each):
            return sum(each)

        async with AsyncEngine(gate.dsn) as engine:
            call = asyncio.create_task(engine.execute(flow, list(range(20))))
            await until(lambda: len(ran) == 20, "all elements to begin")
            gate.shut()
            go.set()
            dispatcher = engine._session._worker.dispatcher
            await until(lambda: dispatcher._backoff, "the outage to be noticed")
            gate.open()
            return await call, ran

    result, ran = run(main)
    assert result == {"total": 190}
    assert sorted(ran) == list(range(20))


def test_runs_that_are_started_during_a_short_outage_start_after_it(gate):
    """
    The start is tried again, and is the same run.
    """

    async def main():
        flow = single(lambda view: view)
        async with AsyncEngine(gate.dsn) as engine:
            await engine.execute(flow, 0)
            gate.shut()
            calls = [asyncio.create_task(engine.execute(flow, n)) for n in range(20)]
            await asyncio.sleep(0)
            threading.Timer(0.3, gate.open).start()
            results = await asyncio.gather(*calls)
            page = await engine.list_workflow_runs(workflow=flow.name, limit=100)
            return results, len(page)

    assert run(main) == ([{"step": n} for n in range(20)], 21)


def test_retries_go_on_after_an_outage(gate):
    """
    Timers that were due meanwhile are fired.
    """

    async def main():
        failed = asyncio.Event()

        async def step(ctx):
            if ctx.attempt == 1:
                failed.set()
                raise ValueError
            return ctx.attempt

        flow = single(step, retry=RetryPolicy(max_attempts=2, delay=0.3, jitter=False))
        async with AsyncEngine(gate.dsn) as engine:
            handle = await engine.start(flow)
            await until(lambda: waiting(handle), "the failure to be recorded")
            gate.shut()
            threading.Timer(0.6, gate.open).start()
            return await handle.result()

    async def waiting(handle):
        return (await handle.status())[1]["waiting_tasks"]

    assert run(main) == {"step": 2}


def test_an_outage_is_told_to_those_who_ask(gate):
    """
    A call that needs the database fails, and works again afterwards.
    """

    async def main():
        flow = single(lambda: 1)
        async with AsyncEngine(gate.dsn) as engine:
            handle = await engine.start(flow)
            await handle.result()
            gate.shut()
            with pytest.raises(ConnectionFailed):
                await handle.status()
            gate.open()
            await until(lambda: answers(handle), "the status to be told again")

    async def answers(handle):
        try:
            return await handle.status()
        except ConnectionFailed:
            return None

    run(main)


def test_an_engine_can_be_closed_during_an_outage(gate):
    """
    Within a reasonable time, and without an error: the lease gives the rest back.
    """

    async def main():
        started = asyncio.Event()

        async def step():
            started.set()
            await asyncio.Event().wait()

        engine = await AsyncEngine(gate.dsn).connect()
        await engine.start(single(step))
        await started.wait()
        gate.shut()
        begun = time.monotonic()
        await engine.close()
        return time.monotonic() - begun

    assert run(main) < PATIENCE / 2


def test_the_log_tells_of_an_outage_and_of_its_end(gate, caplog):
    """
    Once each, however many calls fail between them.
    """

    async def main():
        go = asyncio.Event()

        async def step():
            await go.wait()
            return 1

        async with AsyncEngine(gate.dsn) as engine:
            call = asyncio.create_task(engine.execute(single(step)))
            dispatcher = await until(
                lambda: engine._session._worker and engine._session._worker.dispatcher,
                "the worker",
            )
            await until(dispatcher.jobs.known_tasks, "the step to begin")
            gate.shut()
            go.set()
            await until(lambda: dispatcher._backoff > 0.1, "some calls to fail")
            gate.open()
            await call

    run(main)
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name.endswith(".dispatcher")
    ]
    assert len([one for one in told if "is away" in one]) == 1
    assert len([one for one in told if "is back" in one]) == 1
