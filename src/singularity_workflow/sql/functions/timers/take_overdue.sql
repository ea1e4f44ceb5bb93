-- singularity_workflow.take_overdue: take the tasks that waited in a queue for too long.
--
-- Called by  fire_timers, with the runs locked
-- Locks      messages (SKIP LOCKED), tasks in key order
-- Errors     none
--
-- They are started for the caller, who reports them as failed: so the policy of their
-- step decides, as for any failure. A message that a claim holds just now is left to it.
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
  v_taken json;
begin
  select array_agg((k.run_id, k.step_no, k.task_index)::singularity_workflow.task_key
                   order by k.run_id, k.step_no, k.task_index),
         array_agg(k.msg_id order by k.run_id, k.step_no, k.task_index)
  into v_tasks, v_messages
  from singularity_workflow.timers t
  join singularity_workflow.tasks k
    on k.run_id = t.run_id and k.step_no = t.step_no and k.task_index = t.task_index
  where t.timer_id = any (p_timers) and t.kind = 'queue_timeout' and t.run_id = any (p_runs)
    and k.status = 'queued' and k.attempt = t.attempt;

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
    set status = 'started', attempt = t.attempt + 1, msg_id = null,
        worker_id = p_worker_id, started_at = p_now
    from unnest(v_tasks, v_messages) o (run_id, step_no, task_index, msg_id)
    join gone g on g.msg_id = o.msg_id
    where t.run_id = o.run_id and t.step_no = o.step_no and t.task_index = o.task_index
      and t.status = 'queued' and t.msg_id = o.msg_id
    returning t.run_id, t.step_no, t.task_index, t.attempt
  )
  select json_agg(json_build_array(t.run_id, t.step_no, t.task_index, t.attempt))
  into v_taken from taken t;
  return v_taken;
end;
$function$;

comment on function singularity_workflow.take_overdue(bigint[], uuid[], uuid, timestamptz) is
  'Start queued tasks whose queue_timeout passed, for the worker that will fail them.';
