-- singularity_workflow.take_overdue: take the tasks that waited in a queue for too long.
--
-- Called by  fire_batch, with the runs locked
-- Locks      messages (SKIP LOCKED), tasks in key order
-- Errors     none
--
-- They are started for the caller, who reports them as failed: so the policy of their
-- step decides, as for any failure. In a paused run nothing may start and no time passes:
-- there they are put aside, and have the whole wait before them when it is resumed. A
-- message that a claim holds just now is left to it.
create or replace function singularity_workflow.take_overdue(
  p_timers    bigint[],
  p_runs      uuid[],
  p_worker_id uuid,
  p_now       timestamptz
)
returns json                  -- [[run, step, task, attempt], …]
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
  v_messages bigint[];
  v_paused boolean[];
  v_taken json;
begin
  select array_agg((k.run_id, k.step_no, k.task_index)::singularity_workflow.task_key
                   order by k.run_id, k.step_no, k.task_index),
         array_agg(k.msg_id order by k.run_id, k.step_no, k.task_index),
         array_agg(r.status = 'paused' order by k.run_id, k.step_no, k.task_index)
  into v_tasks, v_messages, v_paused
  from singularity_workflow.timers t
  join singularity_workflow.tasks k
    on k.run_id = t.run_id and k.step_no = t.step_no and k.task_index = t.task_index
  cross join lateral (
    select r.status from singularity_workflow.runs r where r.run_id = t.run_id offset 0) r
  where t.timer_id = any (p_timers) and t.kind = 'queue_timeout' and t.run_id = any (p_runs)
    and k.status = 'queued' and k.attempt = t.attempt and r.status in ('started', 'paused');

  if v_tasks is null then
    return null;
  end if;

  with gone as (
    delete from pgmq.q_swf_tasks q
    where q.ctid = any (array(
      select m.ctid from pgmq.q_swf_tasks m where m.msg_id = any (v_messages)
      for update skip locked))
    returning q.msg_id
  ),
  taken as (
    update singularity_workflow.tasks t
    set status = case when o.is_paused then 'waiting' else 'started' end,
        wait_reason = case when o.is_paused then 'paused' end,
        attempt = case when o.is_paused then t.attempt else t.attempt + 1 end, msg_id = null,
        worker_id = case when o.is_paused then t.worker_id else p_worker_id end,
        started_at = case when o.is_paused then t.started_at else p_now end
    from unnest(v_tasks, v_messages, v_paused) o (run_id, step_no, task_index, msg_id, is_paused)
    join gone g on g.msg_id = o.msg_id
    where t.run_id = o.run_id and t.step_no = o.step_no and t.task_index = o.task_index
      and t.status = 'queued' and t.msg_id = o.msg_id
    returning t.run_id, t.step_no, t.task_index, t.attempt, t.status
  )
  select json_agg(json_build_array(t.run_id, t.step_no, t.task_index, t.attempt))
  into v_taken from taken t where t.status = 'started';
  return v_taken;
end;
$function$;

comment on function singularity_workflow.take_overdue(bigint[], uuid[], uuid, timestamptz) is
  'Start queued tasks whose queue_timeout passed, for the worker that will fail them.';
