-- singularity_workflow.skip_tasks: count tasks that ended without an output.
--
-- Called by  miss_tasks, with the runs locked
-- Locks      step_states of those runs
-- Errors     none
--
-- A single step is skipped with its task: because its handler said so, or because a
-- predicate of its did not hold. A map goes on without the element, whether that was
-- skipped or failed with on_error collect or skip.
create or replace function singularity_workflow.skip_tasks(
  p_skipped     singularity_workflow.task_outcome[],
  p_now         timestamptz,
  out p_ended   singularity_workflow.step_key[],    -- steps that ended by it
  out p_windows singularity_workflow.step_key[]     -- maps that have room for more tasks
)
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
  v_single record;
  v_completed singularity_workflow.step_key[];
begin
  p_ended := '{}';
  for v_single in
    select k.run_id, k.step_no,
           case k.outcome when 'unmet' then 'condition unmet'
             else coalesce(nullif(k.error->>'message', ''), 'handler skipped') end as reason,
           k.outcome = 'unmet' and w.on_unmet = 'skip_cascade' as is_cascade
    from unnest(p_skipped) k
    join singularity_workflow.runs r on r.run_id = k.run_id
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.step_no = k.step_no
    where k.kind = 'single'
  loop
    p_ended := p_ended || singularity_workflow.skip_steps(
      array[(v_single.run_id, v_single.step_no)::singularity_workflow.step_key],
      v_single.reason, null, v_single.is_cascade, p_now);
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
        window_used = s.window_used - m.tasks,
        output = case when s.remaining_tasks = m.tasks
                   then singularity_workflow.map_output(s.run_id, s.step_no) else s.output end
    from maps m
    where s.run_id = m.run_id and s.step_no = m.step_no and s.status = 'started'
    returning s.run_id, s.step_no, s.status, s.window_used
  )
  select coalesce(array_agg((c.run_id, c.step_no)::singularity_workflow.step_key)
                  filter (where c.status = 'completed'), '{}'),
         array_agg((c.run_id, c.step_no)::singularity_workflow.step_key)
           filter (where c.window_used is not null and c.status <> 'completed')
  into v_completed, p_windows
  from counted c;
  p_ended := p_ended || v_completed;
end;
$function$;

comment on function singularity_workflow.skip_tasks(singularity_workflow.task_outcome[], timestamptz) is
  'Skip single steps, and go on with maps, whose tasks ended without an output.';
