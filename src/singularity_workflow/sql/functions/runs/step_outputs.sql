-- singularity_workflow.step_outputs: what the completed steps of a run have given.
--
-- Called by  Store.step_outputs
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.step_outputs(p_run_id uuid)
returns json                  -- {name: output, …}; without those that have not completed
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select coalesce(json_object_agg(w.name, coalesce(s.output, 'null') order by w.step_no), '{}')
    from singularity_workflow.runs r
    join singularity_workflow.workflow_steps w on w.workflow_id = r.workflow_id
    join singularity_workflow.step_states s
      on s.run_id = r.run_id and s.step_no = w.step_no and s.status = 'completed'
    where r.run_id = p_run_id);
end;
$function$;

comment on function singularity_workflow.step_outputs(uuid) is
  'The outputs of the completed steps of a run, by name.';
