-- singularity_workflow.run_output: the result of a completed run.
--
-- Called by  settle_children, list_runs, tasks_to_undo
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.run_output(p_run_id uuid)
returns json                  -- the outputs of the final steps by name, without skipped ones
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select coalesce(json_object_agg(f.name, f.output), '{}')
    from (
      select w.name, s.output
      from singularity_workflow.runs r
      join singularity_workflow.workflow_steps w
        on w.workflow_id = r.workflow_id and w.dependent_count = 0
      join singularity_workflow.step_states s
        on s.run_id = r.run_id and s.step_no = w.step_no and s.status = 'completed'
      where r.run_id = p_run_id
      order by w.step_no) f);
end;
$function$;

comment on function singularity_workflow.run_output(uuid) is
  'The outputs of a run''s final steps by name.';
