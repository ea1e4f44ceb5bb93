-- singularity_workflow.check_map_inputs: refuse runs whose input lacks a root map's elements.
--
-- Called by  start_runs, before it creates steps
-- Locks      none
-- Errors     SW401
create or replace function singularity_workflow.check_map_inputs(p_run_ids uuid[])
returns void
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_problem record;
begin
  select f.name as workflow, w.name as step, w.initial_tasks, e.size, json_typeof(r.input) as type
  into v_problem
  from unnest(p_run_ids) n (run_id)
  join singularity_workflow.runs r on r.run_id = n.run_id
  join singularity_workflow.workflows f on f.workflow_id = r.workflow_id and f.has_root_maps
  join singularity_workflow.workflow_steps w
    on w.workflow_id = r.workflow_id and w.kind = 'map' and w.dependency_count = 0
  cross join lateral (
    select json_array_length(singularity_workflow.map_elements(r.run_id, null, r.input)) as size) e
  where (e.size is null and w.initial_tasks is null or e.size <> w.initial_tasks)
    -- what will be skipped needs no elements
    and (w.condition is null or singularity_workflow.condition_met(r.run_id, w.step_no))
  limit 1;

  if not found then
    return;
  elsif v_problem.size is null then
    raise exception using errcode = 'SW401',
      message = format('map step %L of workflow %L needs an array, the input is %s',
                       v_problem.step, v_problem.workflow,
                       coalesce(case v_problem.type when 'object' then 'an object without an array in "items"'
                                else 'of type ' || v_problem.type end, 'missing')),
      hint = 'Give an array, an object with an array in "items", or the step initial_tasks.';
  else
    raise exception using errcode = 'SW401',
      message = format('map step %L of workflow %L has initial_tasks = %s, the input has %s elements',
                       v_problem.step, v_problem.workflow, v_problem.initial_tasks, v_problem.size);
  end if;
end;
$function$;

comment on function singularity_workflow.check_map_inputs(uuid[]) is
  'Raise SW401 unless each root map of the runs finds its elements in the input.';
