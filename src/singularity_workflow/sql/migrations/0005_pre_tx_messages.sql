-- Messages: queues of the application, which any number of listeners read.
--
-- The messages themselves are in pgmq's tables; here stands which queue is kept where,
-- and for how long.

set local lock_timeout = '5s';

create table singularity_workflow.message_queues (
  name       text primary key,          -- in lower case
  queue      text not null unique,      -- what pgmq calls it
  retention  interval not null default interval '7 days',
  created_at timestamptz not null default clock_timestamp(),
  constraint message_queues_name_is_lower_case check (name = lower(name)),
  constraint message_queues_retention_is_positive check (retention > interval '0')
);
