-- singularity_workflow.queue_tasks: give tasks a message.
--
-- Called by  wake_tasks, unpark_tasks, release_windows, release_tasks, heartbeat,
--            adopt_runs and reap_workers, with the runs locked
-- Locks      tasks of those runs, in key order
-- Errors     none
create or replace function singularity_workflow.queue_tasks(
  p_tasks  singularity_workflow.task_key[],
  p_losses integer,             -- counted against each task
  p_now    timestamptz
)
returns bigint                  -- the smallest key announced
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
  v_announced bigint;
begin
  with placed as materialized (
    select t.run_id, t.step_no, t.task_index, nextval('pgmq.q_swf_tasks_msg_id_seq') as msg_id,
           t.attempt, t.losses + p_losses > 0 as was_lost, w.queue_timeout,
           coalesce('local:' || r.owner::text, w.queue) as queue,
           r.order_key - w.priority * 600000::bigint as k
    from (select u.* from unnest(p_tasks) u order by u.run_id, u.step_no, u.task_index) p
    cross join lateral (
      select t.* from singularity_workflow.tasks t
      where t.run_id = p.run_id and t.step_no = p.step_no and t.task_index = p.task_index
        and t.status in ('waiting', 'started')
      for update offset 0) t
    cross join lateral (
      select r.* from singularity_workflow.runs r where r.run_id = p.run_id offset 0) r
    cross join lateral (
      select w.* from singularity_workflow.workflow_steps w
      where w.workflow_id = r.workflow_id and w.step_no = p.step_no offset 0) w
  ),
  queued as (
    update singularity_workflow.tasks t
    set status = 'queued', wait_reason = null, msg_id = p.msg_id, losses = t.losses + p_losses
    from placed p
    where t.run_id = p.run_id and t.step_no = p.step_no and t.task_index = p.task_index
  ),
  messages as (
    insert into pgmq.q_swf_tasks (msg_id, vt, message) overriding system value
    select p.msg_id, p_now,
           singularity_workflow.task_message(
             p.queue, p.k, p.run_id, p.step_no, p.task_index, p.was_lost)
    from placed p
  ),
  timers as (
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, attempt, due_at)
    select 'queue_timeout', p.run_id, p.step_no, p.task_index, p.attempt,
           singularity_workflow.now() + p.queue_timeout
    from placed p where p.queue_timeout is not null
  )
  select min(p.k) into v_announced from placed p;
  return v_announced;
end;
$function$;

comment on function singularity_workflow.queue_tasks(singularity_workflow.task_key[], integer, timestamptz) is
  'Queue waiting or started tasks behind a new message.';
