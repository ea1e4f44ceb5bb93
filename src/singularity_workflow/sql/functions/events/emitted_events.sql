-- singularity_workflow.emitted_events: what running tasks have to tell.
--
-- Called by  record_events for those that come with an outcome, emit_events
-- Locks      none
-- Errors     none
--
-- Of a batch of report_tasks, the items whose attempt is the task's: the rest is told by
-- somebody who is not in charge any more. What is told of goals is of the run, as its start
-- and its end are, and has its members beside the others.
create or replace function singularity_workflow.emitted_events(
  p_batch      json,
  out p_runs   uuid[],
  out p_events text[]      -- each as JSON
)
language plpgsql
stable
set search_path = ''
as $function$
begin
  select array_agg(b.run order by b.place, x.place),
         array_agg(case
           when x.event->>'type' = 'task_progress' then json_build_object(
             'type', 'task_progress', 'task_id', concat(b.run, '/', s.name, '/', b.task),
             'step_name', s.name, 'attempt', b.attempt, 'at', x.event->'at',
             'done', x.event->'data'->'done', 'total', x.event->'data'->'total',
             'note', x.event->'data'->'note')
           when k.is_of_goal and json_typeof(x.event->'data') = 'object' then (jsonb_build_object(
             'type', x.event->'type', 'task_id', concat(b.run, '/', s.name, '/', b.task),
             'step_name', s.name, 'attempt', b.attempt, 'at', x.event->'at')
             || (x.event->'data')::jsonb)::json
           else json_build_object(
             'type', x.event->'type', 'task_id', concat(b.run, '/', s.name, '/', b.task),
             'step_name', s.name, 'attempt', b.attempt, 'at', x.event->'at',
             'data', x.event->'data') end::text order by b.place, x.place)
  into p_runs, p_events
  from rows from (json_to_recordset(p_batch) as (
    run uuid, step smallint, task int, attempt int, events json))
    with ordinality b (run, step, task, attempt, events, place)
  cross join lateral (
    select s.name, r.event_level
    from singularity_workflow.runs r
    join singularity_workflow.workflow_steps s
      on s.workflow_id = r.workflow_id and s.step_no = b.step
    join singularity_workflow.tasks t
      on t.run_id = r.run_id and t.step_no = s.step_no and t.task_index = b.task
     and t.attempt = b.attempt
    where r.run_id = b.run and r.event_level > 0 offset 0) s
  cross join lateral json_array_elements(b.events) with ordinality x (event, place)
  cross join lateral (select x.event->>'type' ~ '^(goal|plan)_' as is_of_goal) k
  where b.events is not null and (s.event_level = 2 or k.is_of_goal);
end;
$function$;

comment on function singularity_workflow.emitted_events(json) is
  'Progress and events of the application and of goals, of attempts that are in charge.';
