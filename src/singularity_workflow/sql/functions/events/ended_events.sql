-- singularity_workflow.ended_events: what is told of runs that completed or failed.
--
-- Called by  record_events
-- Locks      none
-- Errors     none
--
-- The step that failed its run is told with it: nothing else ends a step so. A run that
-- was cancelled is none of this (record_change). The end of a goal is told in front of that
-- of its run, which is the last of all.
create or replace function singularity_workflow.ended_events(
  p_run_ids    uuid[],
  out p_runs   uuid[],
  out p_events text[]      -- each as JSON
)
language plpgsql
stable
set search_path = ''
as $function$
begin
  select array_agg(e.run_id order by e.place, e.part), array_agg(e.event order by e.place, e.part)
  into p_runs, p_events
  from (
    select r.run_id, p.place, x.part, case
             when x.part = 1 then r.goal
             when r.status = 'completed' then concat(
               '{"type":"workflow_completed","final_result":',
               case when octet_length(o.output::text) < r.room then o.output::text
                 else singularity_workflow.event_reference(o.output, r.run_id::text) end, '}')
             when x.part = 0 then concat(
               '{"type":"step_failed","step_name":"', r.error->>'step', '","error":',
               case when octet_length((r.error->'error')::text) < r.room then (r.error->'error')::text
                 else singularity_workflow.event_reference(
                   r.error->'error', coalesce(r.task_id, r.run_id::text)) end, '}')
             else concat(
               '{"type":"workflow_failed","failed_task":', coalesce('"' || r.task_id || '"', 'null'), ',"error":',
               case when octet_length(r.error::text) < r.room then r.error::text
                 else singularity_workflow.event_reference(r.error, r.run_id::text) end, '}') end as event
    from unnest(p_run_ids) with ordinality p (run_id, place)
    cross join lateral (
      select r.run_id, r.workflow_id, r.status, r.error, r.event_level,
             case when r.goal->>'redact' = 'true' then 0 else 8000 end as room,
             case when r.goal->>'goal_hash' is not null then singularity_workflow.goal_event(
               'goal_' || r.status, r.run_id, r.input, r.goal) end as goal,
             -- null: a condition that did not hold has failed it, no task
             r.run_id || '/' || (r.error->>'step') || '/' || (r.error->>'task_index') as task_id
      from singularity_workflow.runs r
      where r.run_id = p.run_id and r.event_level > 0 and r.status in ('completed', 'failed')
      offset 0) r
    left join lateral (
      -- as run_output, but set up once for all
      select coalesce(json_object_agg(f.name, f.output), '{}') as output
      from (
        select w.name, s.output
        from singularity_workflow.workflow_steps w
        cross join lateral (
          select s.output from singularity_workflow.step_states s
          where s.run_id = r.run_id and s.step_no = w.step_no and s.status = 'completed'
          offset 0) s
        where w.workflow_id = r.workflow_id and w.dependent_count = 0
        order by w.step_no) f) o on r.status = 'completed'
    cross join lateral (values (0), (1), (2)) x (part)
    where x.part = 2 or x.part = 1 and r.goal is not null
      or x.part = 0 and r.status = 'failed' and r.event_level = 2) e;
end;
$function$;

comment on function singularity_workflow.ended_events(uuid[]) is
  'The events of runs that completed or failed.';
