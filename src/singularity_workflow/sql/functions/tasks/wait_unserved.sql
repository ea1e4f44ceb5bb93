-- singularity_workflow.wait_unserved: let tasks wait that their worker has no code for.
--
-- Called by  miss_tasks, with the runs locked
-- Locks      tasks of those runs, in key order
-- Errors     none
--
-- To put such a task back at once would clog the head of the queue at every rolling
-- deployment. So it waits, visibly, for a second and then twice as long each time, a
-- minute at the most; a worker that comes with the code wakes it (serve_workflows).
create or replace function singularity_workflow.wait_unserved(
  p_missed singularity_workflow.task_outcome[],
  p_now    timestamptz
)
returns void
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
begin
  with unserved as (
    select t.run_id, t.step_no, t.task_index, t.attempt,
           -- what is left of the claims without failures and losses: the times before
           least(60, power(2, least(6, greatest(0, t.attempt - t.failures - t.losses - 1)))) as seconds
    from (select m.* from unnest(p_missed) m where m.outcome = 'unserved'
          order by m.run_id, m.step_no, m.task_index) m
    cross join lateral (
      select t.* from singularity_workflow.tasks t
      where t.run_id = m.run_id and t.step_no = m.step_no and t.task_index = m.task_index
      for update offset 0) t
  ),
  waiting as (
    update singularity_workflow.tasks t set status = 'waiting', wait_reason = 'unserved'
    from unserved u
    where t.run_id = u.run_id and t.step_no = u.step_no and t.task_index = u.task_index
  ),
  turns as (
    update singularity_workflow.runs r set busy = true
    where r.run_id in (select u.run_id from unserved u) and r.serial
  )
  insert into singularity_workflow.timers (kind, run_id, step_no, task_index, attempt, due_at)
  select 'unserved', u.run_id, u.step_no, u.task_index, u.attempt,
         singularity_workflow.now() + u.seconds * interval '1 second'
  from unserved u;
end;
$function$;

comment on function singularity_workflow.wait_unserved(
  singularity_workflow.task_outcome[], timestamptz) is
  'Let tasks without code wait; a timer or a worker that has the code queues them again.';
