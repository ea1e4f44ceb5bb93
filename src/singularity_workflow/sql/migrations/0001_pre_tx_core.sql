-- The first schema: definitions, runs, and what waits.
--
-- docs/internals/schema.md explains each table. Three decisions that later
-- migrations cannot take back: payloads are `json` (they keep key order, -0.0 and
-- 1e16, and cost half of jsonb to write); run tables have no foreign keys and no
-- index on tasks beyond the key (both would end HOT updates or partitioning by
-- run_id); statuses are text with a CHECK (an enum value cannot be dropped).

set local lock_timeout = '5s';

-- Keys that functions pass to each other in arrays.
create type singularity_workflow.step_key as (
  run_id  uuid,
  step_no smallint
);

create type singularity_workflow.task_key as (
  run_id     uuid,
  step_no    smallint,
  task_index integer
);

-- A step that has just started, with all that decides where its tasks go.
create type singularity_workflow.ready_step as (
  run_id      uuid,
  step_no     smallint,
  kind        text,
  size        integer,                      -- number of tasks
  queue       text,
  k           bigint,                       -- the order key of its messages
  wait_reason text,                         -- delay, paused or limit: not to be queued yet
  start_delay interval,
  queue_timeout interval                    -- longest wait behind a message
);

-- One outcome of one attempt, as report_tasks hands it to the functions behind it.
create type singularity_workflow.task_outcome as (
  run_id      uuid,
  step_no     smallint,
  task_index  integer,
  attempt     integer,
  outcome     text,                         -- completed, failed, skipped, unserved, violation
  output      json,
  error       json,
  is_final    boolean,                      -- failed: no further attempt
  retry_after double precision,             -- failed: seconds, instead of the policy's delay
  kind        text,                         -- of the step
  leads_on    boolean                       -- the step has dependents
);

-- Definitions

create table singularity_workflow.workflows (
  workflow_id   integer generated always as identity primary key,
  name          text not null,
  version       text not null,              -- hash of the shape
  shape         jsonb not null,
  options       jsonb not null,
  input_schema  json,
  step_count    integer not null,
  has_root_maps boolean not null,           -- the input must hold their elements
  options_seen  text[] not null,            -- hash of every options set seen, oldest first
  created_at    timestamptz not null default clock_timestamp(),
  registered_at timestamptz not null default clock_timestamp(),
  constraint workflows_name_version_key unique (name, version),
  constraint workflows_name_is_valid
    check (name ~ '^[a-zA-Z_][a-zA-Z0-9_]*$' and length(name) <= 128)
);

create table singularity_workflow.workflow_steps (
  workflow_id      integer not null
    references singularity_workflow.workflows on delete cascade,
  step_no          smallint not null,
  name             text not null,
  kind             text not null,
  over_step_no     smallint,                -- of a map: the dependency that it maps over
  initial_tasks    integer,                 -- of a map: a fixed number of tasks
  dependency_count smallint not null,
  dependent_count  smallint not null,       -- 0: a final step
  feeds_map        boolean not null,        -- some map maps over its output
  queue            text not null,           -- the effective one, of the step or the workflow
  priority         integer not null,
  start_delay      interval,
  queue_timeout    interval,
  on_failure       text not null,
  options          jsonb not null,          -- as given; absent = inherited
  created_at       timestamptz not null default clock_timestamp(),
  primary key (workflow_id, step_no),
  constraint workflow_steps_name_key unique (workflow_id, name),
  constraint workflow_steps_name_is_valid
    check (name ~ '^[a-zA-Z_][a-zA-Z0-9_]*$' and length(name) <= 128),
  constraint workflow_steps_kind_is_known check (kind in ('single', 'map')),
  constraint workflow_steps_number_is_not_negative check (step_no >= 0),
  constraint workflow_steps_only_maps_map
    check (kind = 'map' or (over_step_no is null and initial_tasks is null)),
  constraint workflow_steps_initial_tasks_is_not_negative check (initial_tasks >= 0),
  constraint workflow_steps_start_delay_is_not_negative check (start_delay >= interval '0'),
  constraint workflow_steps_on_failure_is_known
    check (on_failure in ('fail', 'skip', 'skip_cascade'))
);

create unique index workflow_steps_lower_name_key
  on singularity_workflow.workflow_steps (workflow_id, lower(name));

create table singularity_workflow.workflow_step_dependencies (
  workflow_id   integer not null
    references singularity_workflow.workflows on delete cascade,
  depends_on_no smallint not null,
  step_no       smallint not null,
  created_at    timestamptz not null default clock_timestamp(),
  primary key (workflow_id, depends_on_no, step_no),
  constraint workflow_step_dependencies_not_on_itself check (depends_on_no <> step_no)
);

create index workflow_step_dependencies_step_no_idx
  on singularity_workflow.workflow_step_dependencies (workflow_id, step_no);

-- Runs

-- A CHECK is parsed anew by every statement that writes the table, so each table has
-- one for all its statuses, and the names of the statuses stand in domains, which
-- are parsed once a session.

create domain singularity_workflow.status_of_run as text
  constraint run_status_is_known check (
    value in ('pending', 'started', 'paused', 'completed', 'failed', 'cancelled'));

create domain singularity_workflow.status_of_step as text
  constraint step_status_is_known check (
    value in ('created', 'started', 'completed', 'failed', 'skipped', 'cancelled'));

create domain singularity_workflow.status_of_task as text
  constraint task_status_is_known check (
    value in ('waiting', 'queued', 'started', 'completed', 'failed', 'skipped', 'cancelled'));

create domain singularity_workflow.wait_reason as text
  constraint wait_reason_is_known check (
    value in ('delay', 'retry', 'paused', 'limit', 'unserved', 'map_window'));

create table singularity_workflow.runs (
  run_id          uuid primary key,         -- version 7: its order is the order of creation
  workflow_id     integer not null,
  status          singularity_workflow.status_of_run not null,
  remaining_steps integer not null,
  order_key       bigint not null,          -- created_ms - priority * 600000
  priority        integer not null,
  owner           uuid,                     -- the worker whose local run it is
  serial          boolean not null,         -- at most one task at a time
  busy            boolean not null default false,  -- serial: a task has the turn
  max_attempts    integer,                  -- overrides the steps' own
  deadline_at     timestamptz,
  tags            text[] not null,
  idempotency_key text,
  reason          text,                     -- of a cancellation
  input           json,
  error           json,
  created_at      timestamptz not null,
  started_at      timestamptz,
  ended_at        timestamptz,
  constraint runs_remaining_steps_is_not_negative check (remaining_steps >= 0),
  constraint runs_fit_their_status check (
    case status
      when 'completed' then ended_at is not null and remaining_steps = 0
      when 'failed' then ended_at is not null and error is not null
      when 'cancelled' then ended_at is not null
      else ended_at is null end)
) with (fillfactor = 70);

-- The open runs: what recovery and the sweeps for lost tasks walk over.
create index runs_open_idx on singularity_workflow.runs (run_id)
  where status in ('pending', 'started', 'paused');

create table singularity_workflow.step_states (
  run_id          uuid not null,
  step_no         smallint not null,
  status          singularity_workflow.status_of_step not null,
  remaining_deps  smallint not null,
  initial_tasks   integer,                  -- null: not known yet
  remaining_tasks integer,
  next_task       integer,                  -- tasks below it were released; null: no window
  skip_reason     text,
  output          json,
  error           json,
  created_at      timestamptz not null,
  started_at      timestamptz,
  ended_at        timestamptz,
  primary key (run_id, step_no),
  constraint step_states_remaining_deps_is_not_negative check (remaining_deps >= 0),
  constraint step_states_remaining_tasks_is_within_initial
    check (remaining_tasks between 0 and initial_tasks),
  constraint step_states_fit_their_status check (
    case status
      when 'created' then ended_at is null
      when 'started' then ended_at is null and initial_tasks is not null
      when 'completed' then ended_at is not null and remaining_tasks = 0 and output is not null
      when 'skipped' then ended_at is not null and skip_reason is not null
      else ended_at is not null end)
) with (fillfactor = 60);

create table singularity_workflow.tasks (
  run_id      uuid not null,
  step_no     smallint not null,
  task_index  integer not null,
  status      singularity_workflow.status_of_task not null,
  wait_reason singularity_workflow.wait_reason,
  attempt     integer not null default 0,   -- claims: the fencing token
  failures    integer not null default 0,
  losses      integer not null default 0,
  msg_id      bigint,                       -- of its message while queued
  worker_id   uuid,                         -- of its last claim
  item        json,                         -- of a map: the element
  output      json,                         -- of a map: the element's result
  error       json,
  created_at  timestamptz not null,
  started_at  timestamptz,                  -- of the last attempt
  ended_at    timestamptz,
  primary key (run_id, step_no, task_index),
  constraint tasks_fit_their_status check (
    case status
      when 'waiting' then wait_reason is not null and msg_id is null and ended_at is null
      when 'queued' then msg_id is not null and wait_reason is null and ended_at is null
      when 'started' then worker_id is not null and msg_id is null and ended_at is null
      else ended_at is not null and msg_id is null and wait_reason is null end)
) with (fillfactor = 60);

create table singularity_workflow.task_failures (
  run_id     uuid not null,
  step_no    smallint not null,
  task_index integer not null,
  attempt    integer not null,
  worker_id  uuid,
  error      json not null,
  output     json,                          -- that the step's dependents could not take
  failed_at  timestamptz not null,
  primary key (run_id, step_no, task_index, attempt)
);

create table singularity_workflow.idempotency_keys (
  workflow_name text not null,
  key           text not null,
  run_id        uuid not null,
  input_hash    text not null,
  created_at    timestamptz not null default clock_timestamp(),
  primary key (workflow_name, key)
);

-- What waits, and who works

create table singularity_workflow.timers (
  timer_id   bigint generated always as identity primary key,
  kind       text not null,
  run_id     uuid not null,
  step_no    smallint,
  task_index integer,                       -- of a fan-out: the first element of the chunk
  attempt    integer,                       -- the timer is void when the task has moved on
  due_at     timestamptz not null,
  constraint timers_kind_is_known
    check (kind in ('retry', 'delay', 'unserved', 'queue_timeout', 'fan_out', 'deadline', 'sweep'))
) with (fillfactor = 90);

create index timers_due_at_idx on singularity_workflow.timers (due_at);

create table singularity_workflow.workers (
  worker_id    uuid primary key,            -- fresh for each process
  host         text not null,
  pid          integer not null,
  version      text not null,
  queues       text[] not null,
  workflows    text[] not null,             -- names of those that it can run
  concurrency  integer not null,
  lease        interval not null,
  started_at   timestamptz not null default clock_timestamp(),
  heartbeat_at timestamptz not null default clock_timestamp(),
  stopped_at   timestamptz,
  lost_at      timestamptz,                 -- declared dead; it must take a new id
  reaped_at    timestamptz,                 -- nothing of its is left to be given back
  constraint workers_lease_is_positive check (lease > interval '0')
) with (fillfactor = 50);

-- The one queue table for all task queues: the name of the queue and the order key are in
-- the message, and this index gives each queue its own order.

select pgmq.create('swf_tasks');

create index q_swf_tasks_queue_k_idx
  on pgmq.q_swf_tasks ((message->>'queue'), ((message->>'k')::bigint));

-- A queue table is all churn: vacuum it early, and by count rather than by share.
alter table pgmq.q_swf_tasks set (
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_scale_factor = 0.0,
  autovacuum_vacuum_cost_delay = 0
);
