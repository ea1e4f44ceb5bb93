-- singularity_workflow.condition_to_find: a condition in the form that `holds` takes.
--
-- Called by  store_steps, list_runs
-- Locks      none
-- Errors     none
--
-- Null for what the database does not evaluate: no condition, or a predicate, which is
-- code of the worker.
create or replace function singularity_workflow.condition_to_find(p_condition jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $function$
begin
  return case
    when p_condition is null or p_condition = 'null' or p_condition ? '$predicate' then null
    when jsonb_typeof(p_condition) = 'string'
      then to_jsonb(singularity_workflow.path_to_find(p_condition #>> '{}'))
    else p_condition end;
end;
$function$;

comment on function singularity_workflow.condition_to_find(jsonb) is
  'A pattern as it is, a path as one that finds something if it holds.';
