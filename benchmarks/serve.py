"""
Serve an embedded PostgreSQL to a program that has none: the peers' benchmark.

    python -m benchmarks.serve

It prints the DSN of a maintenance database, and stops when its input ends, that is
at the latest when the program that started it is gone.
"""

from __future__ import annotations

import sys

from benchmarks.servers import embedded_server

__all__ = ["main"]


def main() -> None:
    """Serve until nobody listens any more."""
    with embedded_server() as (dsn, _):
        print(dsn, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
