"""
The command line: `singularity-workflow`, short `swf`.
"""

from __future__ import annotations

from singularity_workflow.cli.main import main

__all__ = ["main"]
