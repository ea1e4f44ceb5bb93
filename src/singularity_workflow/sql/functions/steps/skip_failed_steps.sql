-- singularity_workflow.skip_failed_steps: end failed steps whose on_failure lets the run go on.
--
-- Called by  miss_tasks, with the runs locked
-- Locks      step_states of those runs
-- Errors     none
--
-- The caller cancels their open tasks.
create or replace function singularity_workflow.skip_failed_steps(
  p_failed singularity_workflow.task_outcome[],
  p_now    timestamptz
)
returns singularity_workflow.step_key[]    -- all that were skipped
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
  v_step record;
  v_skipped singularity_workflow.step_key[];
  v_all singularity_workflow.step_key[] := '{}';
begin
  for v_step in
    select distinct on (f.run_id, f.step_no) f.run_id, f.step_no, w.on_failure,
           singularity_workflow.outcome_error(f.outcome, f.output, f.error) as error
    from unnest(p_failed) f
    join singularity_workflow.runs r on r.run_id = f.run_id
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.step_no = f.step_no
    where w.on_failure <> 'fail' and f.outcome = 'failed'
    order by f.run_id, f.step_no, f.task_index
  loop
    v_skipped := singularity_workflow.skip_steps(
      array[(v_step.run_id, v_step.step_no)::singularity_workflow.step_key],
      'handler failed', v_step.error, v_step.on_failure = 'skip_cascade', p_now);
    v_all := v_all || v_skipped;
  end loop;
  return v_all;
end;
$function$;

comment on function singularity_workflow.skip_failed_steps(singularity_workflow.task_outcome[], timestamptz) is
  'Skip the steps that failed with on_failure skip or skip_cascade.';
