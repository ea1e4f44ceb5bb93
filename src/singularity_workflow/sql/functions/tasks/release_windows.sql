-- singularity_workflow.release_windows: let the next tasks of maps with max_concurrency go.
--
-- Called by  report_tasks, fire_batch, resume_runs, copy_run, with the runs locked
-- Locks      step_states (held by way of the run) → tasks in key order
-- Errors     none
--
-- window_used counts the tasks of the step that are under way: queued, started, or
-- waiting for a retry. next_task says where to look for the next one, so that a task
-- costs the same at any width.
create or replace function singularity_workflow.release_windows(
  p_steps singularity_workflow.step_key[],
  p_now   timestamptz
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
begin
  with windows as materialized (
    select s.run_id, s.step_no, s.next_task, coalesce(w.max_concurrency, 1000) - s.window_used as room
    from (select distinct p.run_id, p.step_no from unnest(p_steps) p) p
    cross join lateral (
      select s.* from singularity_workflow.step_states s
      where s.run_id = p.run_id and s.step_no = p.step_no and s.status = 'started'
        and s.window_used is not null offset 0) s
    cross join lateral (
      select r.workflow_id from singularity_workflow.runs r
      where r.run_id = p.run_id and r.status = 'started' and not r.serial offset 0) r
    cross join lateral (
      select w.max_concurrency from singularity_workflow.workflow_steps w
      where w.workflow_id = r.workflow_id and w.step_no = p.step_no offset 0) w
  ),
  released as materialized (
    select w.run_id, w.step_no, t.task_index
    from windows w
    cross join lateral (
      select t.task_index from singularity_workflow.tasks t
      where t.run_id = w.run_id and t.step_no = w.step_no and t.task_index >= w.next_task
        and t.status = 'waiting' and t.wait_reason = 'map_window'
      order by t.task_index
      limit greatest(0, w.room)) t
  ),
  moved as (
    update singularity_workflow.step_states s
    set next_task = r.last + 1, window_used = s.window_used + r.tasks
    from (select r.run_id, r.step_no, max(r.task_index) as last, count(*)::int as tasks
          from released r group by r.run_id, r.step_no) r
    where s.run_id = r.run_id and s.step_no = r.step_no
  )
  select array_agg((r.run_id, r.step_no, r.task_index)::singularity_workflow.task_key)
  into v_tasks from released r;

  return singularity_workflow.queue_tasks(v_tasks, 0, p_now);
end;
$function$;

comment on function singularity_workflow.release_windows(singularity_workflow.step_key[], timestamptz) is
  'Queue waiting tasks of maps as far as their max_concurrency allows.';
