"""
`python -m singularity_workflow` is the command line.
"""

from __future__ import annotations

from singularity_workflow.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
