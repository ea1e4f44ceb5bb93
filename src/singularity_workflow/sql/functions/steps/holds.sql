-- singularity_workflow.holds: does a value meet a condition?
--
-- Called by  condition_met, list_runs
-- Locks      none
-- Errors     none
--
-- Silent evaluation passes over missing members and wrong types. What is left, as a
-- variable that nobody sets or a number that is too large for jsonb, must not fail the
-- report that it is part of: then the condition does not hold.
create or replace function singularity_workflow.holds(p_condition jsonb, p_value json)
returns boolean
language plpgsql
immutable
set search_path = ''
as $function$
begin
  if jsonb_typeof(p_condition) = 'string' then
    -- condition_to_find has made every path one that finds something if it holds
    -- null, and not false, where a strict path misses something
    return coalesce(jsonb_path_exists(
      p_value::jsonb, (p_condition #>> '{}')::jsonpath, '{}', true), false);
  end if;
  return coalesce(p_value::jsonb @> p_condition, false);
exception
  when data_exception or undefined_object or feature_not_supported or program_limit_exceeded then
    return false;
end;
$function$;

comment on function singularity_workflow.holds(jsonb, json) is
  'Whether the value contains the pattern, or the SQL/JSON path finds something in it.';
