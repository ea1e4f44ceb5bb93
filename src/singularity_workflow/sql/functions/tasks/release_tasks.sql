-- singularity_workflow.release_tasks: give tasks back that a worker will not finish.
--
-- Called by  Store.release_tasks, when an engine closes
-- Locks      runs in order of run_id → tasks
-- Errors     SW410
--
-- No loss is counted: nothing went wrong. The attempt stays used, so that a late
-- report of it is refused once the task was claimed again.
create or replace function singularity_workflow.release_tasks(p_tasks json)
returns integer               -- how many went back
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
  v_tasks singularity_workflow.task_key[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  v_runs := singularity_workflow.lock_runs(
    array(select distinct x.run from json_to_recordset(p_tasks) x (run uuid)), true);

  select array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key)
  into v_tasks
  from json_to_recordset(p_tasks) x (run uuid, step smallint, task int, attempt int)
  join singularity_workflow.runs r on r.run_id = x.run and r.status in ('started', 'paused')
  join singularity_workflow.tasks t
    on t.run_id = x.run and t.step_no = x.step and t.task_index = x.task
   and t.status = 'started' and t.attempt = x.attempt;

  perform singularity_workflow.queue_tasks(v_tasks, 0, clock_timestamp());
  return coalesce(cardinality(v_tasks), 0);
end;
$function$;

comment on function singularity_workflow.release_tasks(json) is
  'Queue started tasks again without counting a loss.';
