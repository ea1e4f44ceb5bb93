-- singularity_workflow.ended_reply: how runs ended, for those who wait for them.
--
-- Called by  start_runs, report_tasks, fire_batch, run_results, copy_run
-- Locks      none
-- Errors     none
--
-- Start and end are seconds since 1970.
create or replace function singularity_workflow.ended_reply(
  p_run_ids uuid[],
  p_wanted  uuid[]              -- the runs whose output somebody waits for
)
returns json                    -- [[run id, status, output, error, reason, workflow, start, end, trace, redacted], …]
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
      select json_agg(json_build_array(
               r.run_id, r.status, o.output, r.error, r.reason, w.name,
               extract(epoch from r.started_at), extract(epoch from r.ended_at), r.traceparent,
               r.goal->>'redact' = 'true'))
      from unnest(p_run_ids) p (run_id)
      cross join lateral (
        select r.* from singularity_workflow.runs r where r.run_id = p.run_id offset 0) r
      left join lateral (
        select w.name from singularity_workflow.workflows w
        where w.workflow_id = r.workflow_id offset 0) w on true
      left join lateral (
        -- of a completed run: its final steps' outputs by name, without the skipped ones
        select coalesce(json_object_agg(f.name, f.output), '{}') as output
        from (
          select w.name, s.output
          from singularity_workflow.workflow_steps w
          cross join lateral (
            select s.output from singularity_workflow.step_states s
            where s.run_id = r.run_id and s.step_no = w.step_no and s.status = 'completed'
            offset 0) s
          where w.workflow_id = r.workflow_id and w.dependent_count = 0
          order by w.step_no) f
        ) o on r.status = 'completed' and r.run_id in (select unnest(p_wanted))
      where r.status in ('completed', 'failed', 'cancelled'));
end;
$function$;

comment on function singularity_workflow.ended_reply(uuid[], uuid[]) is
  'The ends of runs, with the outputs of those that are wanted.';
