-- Workers can be asked to finish what they have, and to take nothing more.

set local lock_timeout = '5s';

alter table singularity_workflow.workers
  add column draining_at timestamptz;       -- asked to drain: it learns it by its heartbeat
