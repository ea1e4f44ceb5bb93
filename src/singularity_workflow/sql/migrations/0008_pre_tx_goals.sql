-- Goals: plans that may be used again, and runs that let so many tasks go at a time.
--
-- The plan of a run is the output of its step `_decompose`. Here are those of goals that
-- were started with a cache, by all that decides what the decomposer would answer.
--
-- Whether a run is that of a goal, the engine says with its start, in a column of its own:
-- what anybody may keep with a run says nothing of it.
--
-- A serial run gave one turn to its tasks, and now gives as many as it says. Only open
-- runs are written, of which the flag that is replaced says something.

set local lock_timeout = '5s';

create table singularity_workflow.goal_plans (
  cache_key          text primary key,     -- of goal, decomposer, its version, functions and limits
  goal_hash          text not null,
  decomposer         text not null,
  decomposer_version text not null,
  tree               json not null,
  created_at         timestamptz not null default clock_timestamp(),
  kept_until         timestamptz not null
);

create index goal_plans_kept_until_idx on singularity_workflow.goal_plans (kept_until);

alter table singularity_workflow.runs
  add column goal json,                              -- goal_hash, parent, depth; redact, of its other runs too
  add column max_parallel integer not null default 1,  -- serial: how many turns there are
  add column turns integer not null default 0;         -- serial: how many are taken

update singularity_workflow.runs r set turns = 1
where r.busy and r.status in ('pending', 'started', 'paused');

alter table singularity_workflow.runs drop column busy;
