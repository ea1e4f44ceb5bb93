-- singularity_workflow.condition_met: may a step run?
--
-- Called by  advance_steps, for ready steps that have a condition; check_map_inputs
-- Locks      none
-- Errors     none
--
-- A root step's condition sees the run's input; another one's an object of `run_input`
-- and the output of each completed dependency under its name. An object is a pattern
-- that must be contained, a string an SQL/JSON path. `when` must hold, `when_not` must not. A
-- path that fails on the data does not hold: paths are evaluated silently.
create or replace function singularity_workflow.condition_met(p_run_id uuid, p_step_no smallint)
returns boolean
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  v_step record;
  v_seen json;
begin
  select w.condition, w.dependency_count, r.workflow_id, r.input into v_step
  from singularity_workflow.runs r
  join singularity_workflow.workflow_steps w
    on w.workflow_id = r.workflow_id and w.step_no = p_step_no
  where r.run_id = p_run_id;

  v_seen := coalesce(v_step.input, 'null');
  if v_step.dependency_count > 0 then
    select json_object_agg(k.name, k.value) into v_seen
    from (
      select 'run_input' as name, v_seen as value
      union all
      select w.name, s.output
      from singularity_workflow.workflow_step_dependencies d
      join singularity_workflow.step_states s
        on s.run_id = p_run_id and s.step_no = d.depends_on_no and s.status = 'completed'
      join singularity_workflow.workflow_steps w
        on w.workflow_id = d.workflow_id and w.step_no = d.depends_on_no
      where d.workflow_id = v_step.workflow_id and d.step_no = p_step_no) k;
  end if;

  return (not v_step.condition ? 'when'
          or singularity_workflow.holds(v_step.condition->'when', v_seen))
     and (not v_step.condition ? 'when_not'
          or not singularity_workflow.holds(v_step.condition->'when_not', v_seen));
end;
$function$;

comment on function singularity_workflow.condition_met(uuid, smallint) is
  'Whether the step''s when and when_not hold for what the run knows now.';
