-- singularity_workflow.map_elements: the array that a map step maps over.
--
-- Called by  start_runs, check_map_inputs and advance_steps (to count), create_map_tasks
--            (to split)
-- Locks      none
-- Errors     none
--
-- Of a map over a dependency its output; of a root map the run's input if that is
-- an array, else the input's "items" if that is one. Null when there is no array:
-- then only initial_tasks can say how many tasks there are.
create or replace function singularity_workflow.map_elements(
  p_run_id       uuid,
  p_over_step_no smallint,        -- null: a root map
  p_input        json
)
returns json
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_source json := p_input;
begin
  if p_over_step_no is not null then
    select case s.status when 'skipped' then '[]' else s.output end into v_source
    from singularity_workflow.step_states s
    where s.run_id = p_run_id and s.step_no = p_over_step_no;
  elsif json_typeof(v_source) = 'object' then
    v_source := v_source->'items';
  end if;

  return case when json_typeof(v_source) = 'array' then v_source end;
end;
$function$;

comment on function singularity_workflow.map_elements(uuid, smallint, json) is
  'The array of elements of a map step, null if there is none.';
