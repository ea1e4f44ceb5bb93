-- singularity_workflow.skip_tasks: count tasks that their handlers skipped.
--
-- Called by  miss_tasks, with the runs locked
-- Locks      step_states of those runs
-- Errors     none
create or replace function singularity_workflow.skip_tasks(
  p_skipped singularity_workflow.task_outcome[],
  p_now     timestamptz
)
returns singularity_workflow.step_key[]    -- steps that ended by it
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
  v_ended singularity_workflow.step_key[] := '{}';
  v_completed singularity_workflow.step_key[];
  v_single record;
begin
  for v_single in
    select k.run_id, k.step_no, k.error from unnest(p_skipped) k where k.kind = 'single'
  loop
    v_ended := v_ended || singularity_workflow.skip_steps(
      array[(v_single.run_id, v_single.step_no)::singularity_workflow.step_key],
      coalesce(nullif(v_single.error->>'message', ''), 'handler skipped'), null, false, p_now);
  end loop;

  with maps as (
    select k.run_id, k.step_no, count(*)::int as tasks
    from unnest(p_skipped) k where k.kind = 'map' group by k.run_id, k.step_no
  ),
  counted as (
    update singularity_workflow.step_states s
    set remaining_tasks = s.remaining_tasks - m.tasks,
        status = case when s.remaining_tasks = m.tasks then 'completed' else s.status end,
        ended_at = case when s.remaining_tasks = m.tasks then p_now end,
        output = case when s.remaining_tasks = m.tasks
                   then singularity_workflow.map_output(s.run_id, s.step_no) end
    from maps m
    where s.run_id = m.run_id and s.step_no = m.step_no and s.status = 'started'
    returning s.run_id, s.step_no, s.status
  )
  select coalesce(array_agg((c.run_id, c.step_no)::singularity_workflow.step_key), '{}')
  into v_completed from counted c where c.status = 'completed';

  return v_ended || v_completed;
end;
$function$;

comment on function singularity_workflow.skip_tasks(singularity_workflow.task_outcome[], timestamptz) is
  'Skip single steps, and leave elements of maps out, as their handlers asked.';
