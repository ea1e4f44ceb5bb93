-- Goals: plans that may be used again.
--
-- The plan of a run is the output of its step `_decompose`. Here are those of goals that
-- were started with a cache, by all that decides what the decomposer would answer.

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
