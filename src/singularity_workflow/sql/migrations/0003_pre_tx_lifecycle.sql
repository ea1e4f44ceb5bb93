-- The life of a run: conditions, windows of maps, pauses, runs that come from runs.
--
-- Every new column is null or has a constant default, so no table is rewritten. The
-- new indexes are on columns that never change after the insert, so updates of runs
-- stay HOT; the one on failed runs takes part only when a run fails or is cancelled.

set local lock_timeout = '5s';

alter domain singularity_workflow.wait_reason drop constraint wait_reason_is_known;
alter domain singularity_workflow.wait_reason add constraint wait_reason_is_known check (
  value in ('delay', 'retry', 'paused', 'limit', 'unserved', 'map_window', 'child')) not valid;

alter table singularity_workflow.timers drop constraint timers_kind_is_known;
alter table singularity_workflow.timers add constraint timers_kind_is_known check (
  kind in ('retry', 'delay', 'unserved', 'queue_timeout', 'fan_out', 'deadline', 'sweep',
           'resume', 'child', 'children', 'compensate'));

-- Definitions

alter table singularity_workflow.workflows
  add column compensation text;             -- name of the workflow that undoes this one

alter table singularity_workflow.workflow_steps
  add column condition jsonb,               -- what the database evaluates of when and when_not
  add column on_unmet text not null default 'skip',
  add column child_workflow text,           -- each task is a run of it
  add column max_concurrency integer,       -- of a map: tasks under way at once
  add column on_error text not null default 'fail',  -- of a map: what a failed element does
  add constraint workflow_steps_on_unmet_is_known
    check (on_unmet in ('fail', 'skip', 'skip_cascade')),
  add constraint workflow_steps_max_concurrency_is_positive check (max_concurrency >= 1),
  add constraint workflow_steps_on_error_is_known
    check (on_error in ('fail', 'collect', 'skip'));

-- Runs

alter table singularity_workflow.runs
  add column metadata json,
  add column paused_at timestamptz,
  add column pauses integer not null default 0,  -- a deadline's timer counts for one of them
  add column parent_run_id uuid,
  add column parent_step_no smallint,
  add column parent_task_index integer,
  add column parent_attempt integer,        -- of the parent's task, which waits for this run
  add column origin_run_id uuid,            -- the run that this one repeats or undoes
  add column origin_kind text,
  add constraint runs_origin_kind_is_known
    check (origin_kind in ('retry', 'fork', 'compensation')),
  add constraint runs_children_know_their_task
    check (num_nulls(parent_run_id, parent_step_no, parent_task_index, parent_attempt) in (0, 4)),
  add constraint runs_origin_has_a_kind check (num_nulls(origin_run_id, origin_kind) in (0, 2));

create index runs_parent_idx on singularity_workflow.runs
  (parent_run_id, parent_step_no, parent_task_index) where parent_run_id is not null;
create index runs_open_children_idx on singularity_workflow.runs (parent_run_id)
  where parent_run_id is not null and status in ('pending', 'started', 'paused');
create index runs_origin_idx on singularity_workflow.runs (origin_run_id)
  where origin_run_id is not null;
-- an expression, so that only list_runs uses it: joins on workflow_id were tempted to
-- start from the workflow and to read all of its runs
create index runs_workflow_id_idx on singularity_workflow.runs
  ((workflow_id::bigint), run_id);
create index runs_failed_idx on singularity_workflow.runs (run_id)
  where status in ('failed', 'cancelled');

-- A table and not an index on runs.tags: most runs have none, and a page of the runs
-- with a tag is a walk along its key.
create table singularity_workflow.run_tags (
  tag    text not null,
  run_id uuid not null,
  primary key (tag, run_id)
);

insert into singularity_workflow.run_tags (tag, run_id)
select distinct t.tag, r.run_id from singularity_workflow.runs r cross join unnest(r.tags) t (tag);

alter table singularity_workflow.step_states
  add column window_used integer;           -- tasks under way; null: no window

-- They return other columns now, which `create or replace` cannot change.
drop function if exists singularity_workflow.advance_steps(singularity_workflow.step_key[], timestamptz);
drop function if exists singularity_workflow.miss_tasks(singularity_workflow.task_outcome[], timestamptz);
drop function if exists singularity_workflow.finish_tasks(singularity_workflow.task_outcome[], timestamptz);
drop function if exists singularity_workflow.list_runs(text[], text, text[], timestamptz, uuid, integer);
drop function if exists singularity_workflow.skip_tasks(singularity_workflow.task_outcome[], timestamptz);
