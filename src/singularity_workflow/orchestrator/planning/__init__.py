"""From decomposed goals to workflows: expand, flatten, compile, plan anew."""
