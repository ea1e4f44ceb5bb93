-- singularity_workflow.failed_attempts: how often one task has failed so far.
--
-- Called by  Store.failed_attempts
-- Locks      none
-- Errors     none
--
-- Attempts whose worker died, or had no code for it, are none of them.
create or replace function singularity_workflow.failed_attempts(
  p_run_id     uuid,
  p_step       text,
  p_task_index integer default 0
)
returns integer
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select count(*)::int
    from singularity_workflow.runs r
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.name = p_step
    join singularity_workflow.task_failures f
      on f.run_id = r.run_id and f.step_no = w.step_no and f.task_index = p_task_index
    where r.run_id = p_run_id);
end;
$function$;

comment on function singularity_workflow.failed_attempts(uuid, text, integer) is
  'How often a task has failed.';
