"""Goals as durable runs: decompose, execute, plan anew, tell of it."""
