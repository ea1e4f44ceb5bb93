-- singularity_workflow.settle_children: go on with tasks whose child runs have ended.
--
-- Called by  fire_batch, with the parents' runs locked
-- Locks      as report_tasks, on runs that are held
-- Errors     none
--
-- The result of the child is reported as if a worker had brought it: so everything that
-- follows from a task follows from a child run too. A child that failed is tried again,
-- as a new run, only if the step itself asks for attempts. An output that cannot be
-- passed on (too large, once it is put together) fails the task for good: the caller
-- finds out whose it is by firing the timers one by one.
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
  v_problem text;
begin
  loop
    begin
      with ended as materialized (
        select t.run_id, t.step_no, t.task_index, t.attempt, coalesce(c.status, 'deleted') as status,
               c.run_id as child, c.error, c.reason, f.name as workflow,
               v_problem is not null or not (w.options ?| array['retry', 'max_attempts'])
                 and r.max_attempts is null as is_final
        from unnest(p_timers) d (timer_id)
        cross join lateral (
          select t.* from singularity_workflow.timers t where t.timer_id = d.timer_id offset 0) t
        cross join lateral (
          select k.* from singularity_workflow.tasks k
          where k.run_id = t.run_id and k.step_no = t.step_no and k.task_index = t.task_index
          offset 0) k
        cross join lateral (
          select r.workflow_id, r.status, r.max_attempts from singularity_workflow.runs r
          where r.run_id = t.run_id offset 0) r
        join singularity_workflow.workflow_steps w
          on w.workflow_id = r.workflow_id and w.step_no = t.step_no
        left join singularity_workflow.runs c
          on c.parent_run_id = t.run_id and c.parent_step_no = t.step_no
         and c.parent_task_index = t.task_index and c.parent_attempt = t.attempt
        left join singularity_workflow.workflows f on f.workflow_id = c.workflow_id
        where t.kind = 'child' and t.run_id = any (p_runs)
          and k.status = 'waiting' and k.wait_reason = 'child' and k.attempt = t.attempt
          and r.status in ('started', 'paused') and (c.status is null or c.status in ('completed', 'failed', 'cancelled'))
        order by t.run_id, t.step_no, t.task_index
      ),
      started as (
        update singularity_workflow.tasks k set status = 'started', wait_reason = null
        from ended e
        where k.run_id = e.run_id and k.step_no = e.step_no and k.task_index = e.task_index
      )
      select json_agg(json_build_object(
        'run', e.run_id, 'step', e.step_no, 'task', e.task_index, 'attempt', e.attempt,
        'outcome', case when e.status = 'completed' and v_problem is null then 'completed' else 'failed' end,
        'output', case when e.status = 'completed' and v_problem is null
                    then singularity_workflow.run_output(e.child) end,
        'error', case
          when v_problem is not null then json_build_object(
            'type', 'child_output', 'child_run_id', e.child,
            'message', format('the result of child run %s cannot be passed on: %s', e.child, v_problem))
          when e.status <> 'completed' then json_build_object(
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
    exception when data_exception or program_limit_exceeded then
      if cardinality(p_timers) > 1 or v_problem is not null then
        raise;
      end if;
      v_problem := sqlerrm;
    end;
  end loop;
end;
$function$;

comment on function singularity_workflow.settle_children(bigint[], uuid[]) is
  'Report the ends of child runs to the tasks that wait for them.';
