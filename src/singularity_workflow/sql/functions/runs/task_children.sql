-- singularity_workflow.task_children: the child runs that one task has started.
--
-- Called by  Store.task_children
-- Locks      none
-- Errors     none
--
-- A task has one for each attempt that got as far as to start it.
create or replace function singularity_workflow.task_children(
  p_run_id     uuid,
  p_step       text,
  p_task_index integer default 0
)
returns json                  -- [{id, workflow, status, error, reason}, …], the oldest first
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select coalesce(json_agg(json_build_object(
      'id', c.run_id, 'workflow', f.name, 'status', c.status, 'error', c.error,
      'reason', c.reason) order by c.parent_attempt), '[]')
    from singularity_workflow.runs r
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.name = p_step
    join singularity_workflow.runs c
      on c.parent_run_id = r.run_id and c.parent_step_no = w.step_no
     and c.parent_task_index = p_task_index
    join singularity_workflow.workflows f on f.workflow_id = c.workflow_id
    where r.run_id = p_run_id);
end;
$function$;

comment on function singularity_workflow.task_children(uuid, text, integer) is
  'The child runs of a task, the oldest first.';
