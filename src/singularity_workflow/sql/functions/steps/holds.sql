-- singularity_workflow.holds: does a value meet a condition?
--
-- Called by  condition_met, list_runs
-- Locks      none
-- Errors     none
--
-- Silent evaluation passes over missing members and wrong types. What is left, as a
-- variable that nobody sets, must not fail the report that it is part of.
create or replace function singularity_workflow.holds(p_condition jsonb, p_value jsonb)
returns boolean
language plpgsql
immutable
set search_path = ''
as $function$
begin
  if jsonb_typeof(p_condition) = 'string' then
    -- store_steps has made every path one that finds something if it holds
    begin
      return jsonb_path_exists(p_value, (p_condition #>> '{}')::jsonpath, '{}', true);
    exception when data_exception or undefined_object or feature_not_supported then
      return false;
    end;
  end if;
  return p_value @> p_condition;
end;
$function$;

comment on function singularity_workflow.holds(jsonb, jsonb) is
  'Whether the value contains the pattern, or the SQL/JSON path finds something in it.';
