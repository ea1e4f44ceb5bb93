-- Events: what happened to runs, for whoever listens or asks later.
--
-- They are messages in a queue of their own, written in the transaction of the change: one
-- row for each run and call. Runs that are there already have none.

set local lock_timeout = '5s';

-- Each CHECK is parsed anew by every statement that writes the table: these four cost a
-- third of an update, and what they say is made sure of where the rows are made.
alter table singularity_workflow.runs
  add column event_level smallint not null default 0,   -- 0 none, 1 of the run, 2 of steps and tasks too
  drop constraint runs_origin_kind_is_known,
  drop constraint runs_children_know_their_task,
  drop constraint runs_origin_has_a_kind,
  drop constraint runs_remaining_steps_is_not_negative;

-- Each step comes after what it depends on: events of one moment are told in this order.
alter table singularity_workflow.workflow_steps add column rank smallint;

select pgmq.create('workflow_events');

-- read by position, never by visibility: pgmq's own index would cost every event
drop index if exists pgmq.q_workflow_events_vt_idx;
create index q_workflow_events_pos_idx
  on pgmq.q_workflow_events (((headers->>'pos')::bigint), msg_id);
create index q_workflow_events_run_idx
  on pgmq.q_workflow_events ((headers->>'run'), ((headers->>'pos')::bigint), msg_id);

insert into singularity_workflow.message_queues (name, queue)
values ('workflow_events', 'workflow_events') on conflict do nothing;

-- They return another column now, which `create or replace` cannot change.
drop function if exists singularity_workflow.take_tasks(uuid, text[], bigint, integer, timestamptz, boolean);
drop function if exists singularity_workflow.send_hints(bigint, uuid[]);
drop function if exists singularity_workflow.open_steps(
  uuid, singularity_workflow.step_key[], singularity_workflow.step_key[], timestamptz);
drop function if exists singularity_workflow.miss_tasks(singularity_workflow.task_outcome[], timestamptz);
drop function if exists singularity_workflow.call_children(singularity_workflow.task_outcome[], timestamptz);
drop function if exists singularity_workflow.start_compensation(uuid, timestamptz);
drop function if exists singularity_workflow.fire_batch(bigint[], uuid, timestamptz);
drop function if exists singularity_workflow.finish_tasks(singularity_workflow.task_outcome[], timestamptz);
drop function if exists singularity_workflow.create_tasks(
  singularity_workflow.ready_step[], uuid, integer, text[], bigint, timestamptz);
