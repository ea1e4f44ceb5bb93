-- Traces: each run knows the span that started it.
--
-- The column is null or set by the insert, and never changes: the table is not rewritten,
-- and no index is touched.

set local lock_timeout = '5s';

alter table singularity_workflow.runs
  add column traceparent text;              -- W3C trace context of whoever started it

-- It returns another column now, which `create or replace` cannot change.
drop function if exists singularity_workflow.miss_tasks(singularity_workflow.task_outcome[], timestamptz);
