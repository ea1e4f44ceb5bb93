-- singularity_workflow.serve_workflows: wake the tasks that waited for these workflows.
--
-- Called by  register_worker, when a process comes that has their code
-- Locks      timers, in order of timer_id
-- Errors     none
create or replace function singularity_workflow.serve_workflows(p_workflows text[])
returns void
language plpgsql
volatile
set search_path = ''
as $function$
begin
  update singularity_workflow.timers t set due_at = singularity_workflow.now()
  from (
    select u.timer_id
    from singularity_workflow.timers u
    join singularity_workflow.runs r on r.run_id = u.run_id
    join singularity_workflow.workflows f on f.workflow_id = r.workflow_id
    where u.kind = 'unserved' and f.name = any (p_workflows)
    order by u.timer_id
    for update of u skip locked) w
  where t.timer_id = w.timer_id;
end;
$function$;

comment on function singularity_workflow.serve_workflows(text[]) is
  'Make the timers of unserved tasks of these workflows due now.';
