-- singularity_workflow.next_timer_in: how long until the next timer is due.
--
-- Called by  start_runs, claim_tasks, report_tasks, fire_timers, resume_runs and copy_run, to
--            tell a worker when to come back
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.next_timer_in()
returns double precision        -- seconds, not below zero; null: no timer waits
language plpgsql
volatile
set search_path = ''
set enable_seqscan = off      -- whoever calls first in a session decides on the plan
as $function$
begin
  return (
      select greatest(0, extract(epoch from t.due_at - singularity_workflow.now()))::float8
      from singularity_workflow.timers t
      order by t.due_at
      limit 1);
end;
$function$;

comment on function singularity_workflow.next_timer_in() is
  'Seconds until the next timer is due; null when there is none.';
