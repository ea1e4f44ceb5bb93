-- singularity_workflow.ended_reply: how runs ended, for those who wait for them.
--
-- Called by  start_runs, report_tasks, fire_timers, run_results
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.ended_reply(
  p_run_ids uuid[],
  p_wanted  uuid[]              -- the runs whose output somebody waits for
)
returns json                    -- [[run id, status, output, error, reason], …]
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
      select json_agg(json_build_array(
        r.run_id, r.status,
        case when r.status = 'completed' and r.run_id = any (p_wanted)
          then singularity_workflow.run_output(r.run_id, r.workflow_id) end,
        r.error, r.reason))
      from unnest(p_run_ids) p (run_id)
      cross join lateral (
        select r.* from singularity_workflow.runs r where r.run_id = p.run_id offset 0) r
      where r.status in ('completed', 'failed', 'cancelled'));
end;
$function$;

comment on function singularity_workflow.ended_reply(uuid[], uuid[]) is
  'The ends of runs, with the outputs of those that are wanted.';
