-- singularity_workflow.find_goal_plan: a plan that was made before.
--
-- Called by  Store.find_goal_plan, before a decomposer is asked
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.find_goal_plan(p_key text)
returns json                  -- the tree of graphs; null: there is none
language sql
volatile
set search_path = ''
as $function$
  select p.tree from singularity_workflow.goal_plans p
  where p.cache_key = p_key and p.kept_until > singularity_workflow.now();
$function$;

comment on function singularity_workflow.find_goal_plan(text) is
  'A plan that is cached, unless its time is over.';
