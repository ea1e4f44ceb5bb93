-- singularity_workflow.fail_runs: end runs because a step of theirs failed for good.
--
-- Called by  miss_tasks, and advance_steps for unmet conditions, with the runs locked
-- Locks      runs (held) → step_states; inserts timers
-- Errors     none
--
-- The failing step is failed, others that had started are cancelled; a step that never
-- started stays created. The caller cancels the open tasks: what those that run
-- elsewhere report later is refused.
create or replace function singularity_workflow.fail_runs(
  p_failed singularity_workflow.task_outcome[],
  p_now    timestamptz
)
returns uuid[]
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
begin
  with failed as materialized (
    select distinct on (f.run_id) f.run_id, f.step_no, f.task_index, w.name, coalesce(t.failures, 0) as failures,
           singularity_workflow.outcome_error(f.outcome, f.output, f.error) as error
    from unnest(p_failed) f
    left join singularity_workflow.tasks t
      on t.run_id = f.run_id and t.step_no = f.step_no and t.task_index = f.task_index
    join singularity_workflow.runs r on r.run_id = f.run_id
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.step_no = f.step_no
    order by f.run_id, f.step_no, f.task_index
  ),
  ended as (
    update singularity_workflow.runs r
    set status = 'failed', ended_at = p_now, error = json_build_object(
          'step', f.name, 'task_index', f.task_index, 'attempts', f.failures, 'error', f.error)
    from failed f
    where r.run_id = f.run_id and r.status in ('started', 'paused')
    returning r.run_id
  ),
  steps as (
    update singularity_workflow.step_states s
    set status = case when f.step_no = s.step_no then 'failed' else 'cancelled' end,
        ended_at = p_now,
        error = case when f.step_no = s.step_no then f.error end
    from failed f
    where s.run_id = f.run_id
      and (s.status = 'started' or s.step_no = f.step_no and s.status = 'created')
  )
  select coalesce(array_agg(e.run_id), '{}') into v_runs from ended e;
  perform singularity_workflow.runs_ended(v_runs);
  return v_runs;
end;
$function$;

comment on function singularity_workflow.fail_runs(singularity_workflow.task_outcome[], timestamptz) is
  'Fail runs and the steps in question, cancel their other steps.';
