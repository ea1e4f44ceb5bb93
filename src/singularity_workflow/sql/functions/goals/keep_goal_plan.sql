-- singularity_workflow.keep_goal_plan: keep a plan, to be used again.
--
-- Called by  Store.keep_goal_plan, after a decomposer was asked
-- Locks      the plan's row; some of those whose time is over (SKIP LOCKED)
-- Errors     none
--
-- Each plan that is kept takes some away whose time is over, so that the table ends.
create or replace function singularity_workflow.keep_goal_plan(
  p_key        text,
  p_goal_hash  text,
  p_decomposer text,
  p_version    text,
  p_tree       json,
  p_kept_for   interval
)
returns void
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_now timestamptz := singularity_workflow.now();
begin
  insert into singularity_workflow.goal_plans as p (
    cache_key, goal_hash, decomposer, decomposer_version, tree, kept_until)
  values (p_key, p_goal_hash, p_decomposer, p_version, p_tree, v_now + p_kept_for)
  on conflict (cache_key) do update
  set tree = excluded.tree, created_at = excluded.created_at, kept_until = excluded.kept_until;

  delete from singularity_workflow.goal_plans p
  where p.ctid = any (array(
    select g.ctid from singularity_workflow.goal_plans g
    where g.kept_until <= v_now order by g.kept_until limit 100 for update skip locked));
end;
$function$;

comment on function singularity_workflow.keep_goal_plan(text, text, text, text, json, interval) is
  'Keep a plan for goals that are the same; remove some whose time is over.';
