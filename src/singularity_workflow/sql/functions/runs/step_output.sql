-- singularity_workflow.step_output: what one step of a run has given.
--
-- Called by  Store.step_output
-- Locks      none
-- Errors     SW405
create or replace function singularity_workflow.step_output(p_run_id uuid, p_step text)
returns json                  -- null: the step has not completed, or there is none
language plpgsql
stable
set search_path = ''
as $function$
begin
  if not exists (select from singularity_workflow.runs r where r.run_id = p_run_id) then
    raise exception using errcode = 'SW405', message = format('no run has the id %s', p_run_id),
      hint = 'It may have been deleted.';
  end if;
  return (
    select s.output
    from singularity_workflow.runs r
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.name = p_step
    join singularity_workflow.step_states s
      on s.run_id = r.run_id and s.step_no = w.step_no and s.status = 'completed'
    where r.run_id = p_run_id);
end;
$function$;

comment on function singularity_workflow.step_output(uuid, text) is
  'The output of a completed step of a run.';
