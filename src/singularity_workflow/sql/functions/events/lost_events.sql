-- singularity_workflow.lost_events: tell of tasks whose worker died, and that go back.
--
-- Called by  reap_workers, before they are queued again
-- Locks      none but its new rows
-- Errors     none
create or replace function singularity_workflow.lost_events(
  p_tasks singularity_workflow.task_key[],
  p_now   timestamptz
)
returns bigint                -- position of the events; null: there are none
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  v_runs uuid[];
  v_events text[];
begin
  select array_agg(k.run_id), array_agg(json_build_object(
           'type', 'task_retried', 'task_id', concat(k.run_id, '/', t.name, '/', k.task_index),
           'step_name', t.name, 'attempt', t.attempt,
           'error', json_build_object(
             'type', 'WorkerLost', 'message', format('its worker %s died', t.worker_id)),
           'retry_count', t.failures)::text)
  into v_runs, v_events
  from unnest(p_tasks) k
  cross join lateral (
    select s.name, t.attempt, t.failures, t.worker_id
    from singularity_workflow.runs r
    join singularity_workflow.workflow_steps s
      on s.workflow_id = r.workflow_id and s.step_no = k.step_no
    join singularity_workflow.tasks t
      on t.run_id = r.run_id and t.step_no = s.step_no and t.task_index = k.task_index
    join singularity_workflow.workers w on w.worker_id = t.worker_id and w.lost_at is not null
    where r.run_id = k.run_id and r.event_level = 2 offset 0) t;
  return singularity_workflow.append_events(v_runs, v_events, p_now);
end;
$function$;

comment on function singularity_workflow.lost_events(singularity_workflow.task_key[], timestamptz) is
  'Store that tasks were lost with their worker.';
