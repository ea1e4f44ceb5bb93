-- Drafts of dynamic workflows, and what is being deleted.
--
-- A draft has a row for each step, so that the ten-thousandth costs as much to add as
-- the first. It becomes a version when a run of it is started, and is gone then.
--
-- The rows of a version lose their foreign key: a version is deleted in two parts, its
-- row first, so that no run of it can be started, and its steps in batches. Checking the
-- key was also a third of what storing a large version cost.

set local lock_timeout = '5s';

create table singularity_workflow.flow_drafts (
  draft_id     bigint generated always as identity primary key,
  name         text not null,
  options      jsonb not null,
  input_schema json,
  compensation text,                        -- of the version that it is a copy of
  created_at   timestamptz not null default clock_timestamp(),
  constraint flow_drafts_name_key unique (name),
  constraint flow_drafts_name_is_valid
    check (name ~ '^[a-zA-Z_][a-zA-Z0-9_]*$' and length(name) <= 128)
);

create unique index flow_drafts_lower_name_key
  on singularity_workflow.flow_drafts (lower(name));

create table singularity_workflow.flow_draft_steps (
  draft_id      bigint not null,
  step_no       smallint not null,
  name          text not null,
  kind          text not null,
  depends_on    text[] not null,            -- each name once
  over          text,                       -- of a map: the dependency that it maps over
  initial_tasks integer,
  child_workflow text,                      -- each task is a run of it
  options       jsonb not null,
  created_at    timestamptz not null default clock_timestamp(),
  primary key (draft_id, step_no),
  constraint flow_draft_steps_name_is_valid
    check (name ~ '^[a-zA-Z_][a-zA-Z0-9_]*$' and length(name) <= 128),
  constraint flow_draft_steps_kind_is_known check (kind in ('single', 'map')),
  constraint flow_draft_steps_number_is_not_negative check (step_no >= 0),
  constraint flow_draft_steps_only_maps_map
    check (kind = 'map' or (over is null and initial_tasks is null)),
  constraint flow_draft_steps_initial_tasks_is_not_negative check (initial_tasks >= 0)
);

-- two steps whose names differ only by case are one mistake
create unique index flow_draft_steps_lower_name_key
  on singularity_workflow.flow_draft_steps (draft_id, lower(name));

-- Nothing of these can be started or changed any more; their rows go in batches.
create table singularity_workflow.deleted_flows (
  name        text not null,
  workflow_id integer,
  draft_id    bigint,
  deleted_at  timestamptz not null default clock_timestamp(),
  constraint deleted_flows_is_one_of_them check (num_nonnulls(workflow_id, draft_id) = 1)
);

alter table singularity_workflow.workflow_steps
  drop constraint workflow_steps_workflow_id_fkey;

alter table singularity_workflow.workflow_step_dependencies
  drop constraint workflow_step_dependencies_workflow_id_fkey;

-- whether a name differs from a known one only by case is asked at each registration
create index workflows_lower_name_idx on singularity_workflow.workflows (lower(name));
