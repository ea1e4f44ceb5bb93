-- singularity_workflow.settle_children: go on with tasks whose child runs have ended.
--
-- Called by  fire_timers, with the parents' runs locked
-- Locks      as report_tasks, on runs that are held
-- Errors     none
--
-- The result of the child is reported as if a worker had brought it: so everything that
-- follows from a task follows from a child run too. A child that failed is tried again,
-- as a new run, only if the step itself asks for attempts.
create or replace function singularity_workflow.settle_children(
  p_timers bigint[],
  p_runs   uuid[]
)
returns json                  -- as report_tasks
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
  v_batch json;
begin
  with ended as materialized (
    select t.run_id, t.step_no, t.task_index, t.attempt, c.run_id as child, c.status,
           c.error, c.reason, f.name as workflow,
           not (w.options ?| array['retry', 'max_attempts']) as is_final
    from unnest(p_timers) d (timer_id)
    join singularity_workflow.timers t on t.timer_id = d.timer_id
    join singularity_workflow.tasks k
      on k.run_id = t.run_id and k.step_no = t.step_no and k.task_index = t.task_index
    join singularity_workflow.runs r on r.run_id = t.run_id and r.status in ('started', 'paused')
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.step_no = t.step_no
    join singularity_workflow.runs c
      on c.parent_run_id = t.run_id and c.parent_step_no = t.step_no
     and c.parent_task_index = t.task_index and c.parent_attempt = t.attempt
    join singularity_workflow.workflows f on f.workflow_id = c.workflow_id
    where t.kind = 'child' and t.run_id = any (p_runs)
      and k.status = 'waiting' and k.wait_reason = 'child' and k.attempt = t.attempt
      and c.status in ('completed', 'failed', 'cancelled')
    order by t.run_id, t.step_no, t.task_index
  ),
  started as (
    update singularity_workflow.tasks k set status = 'started', wait_reason = null
    from ended e
    where k.run_id = e.run_id and k.step_no = e.step_no and k.task_index = e.task_index
  )
  select json_agg(json_build_object(
    'run', e.run_id, 'step', e.step_no, 'task', e.task_index, 'attempt', e.attempt,
    'outcome', case e.status when 'completed' then 'completed' else 'failed' end,
    'output', case e.status when 'completed' then singularity_workflow.run_output(e.child) end,
    'error', case when e.status <> 'completed' then json_build_object(
      'type', 'child_' || e.status,
      'message', format('child run %s of workflow %L was %s%s', e.child, e.workflow, e.status,
                        coalesce(': ' || coalesce(e.error->'error'->>'message', e.reason), '')),
      'child_run_id', e.child, 'cause', e.error) end,
    'final', e.is_final))
  into v_batch from ended e;

  if v_batch is null then
    return null;
  end if;
  return singularity_workflow.report_tasks(null, v_batch, p_wait => true);
end;
$function$;

comment on function singularity_workflow.settle_children(bigint[], uuid[]) is
  'Report the ends of child runs to the tasks that wait for them.';
