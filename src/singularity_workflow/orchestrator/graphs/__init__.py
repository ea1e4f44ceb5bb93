"""Task graphs: what a plan is, how it is read, and what may be wrong with it."""
