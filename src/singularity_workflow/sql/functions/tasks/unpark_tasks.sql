-- singularity_workflow.unpark_tasks: queue tasks that wait with the reason paused.
--
-- Called by  resume_runs, copy_run, fire_batch (the rest), with the run locked
-- Locks      tasks of the run, in key order
-- Errors     none
--
-- A thousand at a time; a timer that is due now goes on behind the last one.
create or replace function singularity_workflow.unpark_tasks(
  p_run_id     uuid,
  p_first_step smallint,
  p_first_task integer,
  p_now        timestamptz
)
returns bigint                -- the smallest key announced
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
  v_tasks singularity_workflow.task_key[];
  v_last singularity_workflow.task_key;
begin
  select array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key
                   order by t.step_no, t.task_index)
  into v_tasks
  from (
    select t.run_id, t.step_no, t.task_index
    from singularity_workflow.tasks t
    where t.run_id = p_run_id and (t.step_no, t.task_index) >= (p_first_step, p_first_task)
      and t.status = 'waiting' and t.wait_reason = 'paused'
    order by t.step_no, t.task_index
    limit 1000) t;

  if cardinality(v_tasks) = 1000 then
    v_last := v_tasks[1000];
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, due_at)
    values ('resume', p_run_id, v_last.step_no, v_last.task_index + 1, singularity_workflow.now());
  end if;
  return singularity_workflow.queue_tasks(v_tasks, 0, p_now);
end;
$function$;

comment on function singularity_workflow.unpark_tasks(uuid, smallint, integer, timestamptz) is
  'Queue the next thousand of a run''s parked tasks.';
