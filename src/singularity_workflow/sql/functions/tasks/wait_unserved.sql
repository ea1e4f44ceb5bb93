-- singularity_workflow.wait_unserved: let tasks wait that their worker has no code for.
--
-- Called by  miss_tasks, with the runs locked
-- Locks      tasks of those runs, in key order
-- Errors     none
--
-- To put such a task back at once would clog the head of the queue at every rolling
-- deployment. So it waits, visibly, for a second and then twice as long each time, a
-- minute at the most; a worker that comes with the code wakes it (serve_workflows).
--
-- If another worker lives that serves the queue and knows the workflow, the task need
-- only be offered often enough to meet it: after 50 ms, and then twice as long each time
-- up to a second. A workflow's name does not tell whether that worker has this very step:
-- after sixteen such offers (12 s), and a minute after the last such worker came, the
-- task waits as if there were none.
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
  with living as materialized (
    select w.worker_id, w.queues, w.workflows, w.started_at
    from singularity_workflow.workers w
    where w.stopped_at is null and w.lost_at is null and w.draining_at is null
      and w.heartbeat_at + w.lease > p_now
  ),
  unserved as (
    select t.run_id, t.step_no, t.task_index, t.attempt,
           case when c.came_at is null then least(60, power(2, least(6, b.times)))
                when b.times < 16 or c.came_at > p_now - interval '1 minute'
                then least(1, 0.05 * power(2, least(5, b.times)))
                else least(60, power(2, least(6, b.times - 16))) end as seconds
    from (select m.* from unnest(p_missed) m where m.outcome = 'unserved'
          order by m.run_id, m.step_no, m.task_index) m
    cross join lateral (
      select t.* from singularity_workflow.tasks t
      where t.run_id = m.run_id and t.step_no = m.step_no and t.task_index = m.task_index
      for update offset 0) t
    cross join lateral (
      -- what is left of the claims without failures and losses: the times before
      select greatest(0, t.attempt - t.failures - t.losses - 1) as times offset 0) b
    cross join lateral (
      -- the last that came of those who may have the code; a local run has its owner only
      select max(l.started_at) as came_at
      from singularity_workflow.runs r
      join singularity_workflow.workflows f on f.workflow_id = r.workflow_id
      join singularity_workflow.workflow_steps s
        on s.workflow_id = r.workflow_id and s.step_no = t.step_no
      join living l
        on l.worker_id is distinct from t.worker_id
       and s.queue = any (l.queues) and f.name = any (l.workflows)
      where r.run_id = t.run_id and r.owner is null
      offset 0) c
  ),
  waiting as (
    update singularity_workflow.tasks t set status = 'waiting', wait_reason = 'unserved'
    from unserved u
    where t.run_id = u.run_id and t.step_no = u.step_no and t.task_index = u.task_index
  ),
  turns as (
    update singularity_workflow.runs r set turns = r.turns + u.tasks
    from (select u.run_id, count(*) as tasks from unserved u group by 1) u
    where r.run_id = u.run_id and r.serial
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
