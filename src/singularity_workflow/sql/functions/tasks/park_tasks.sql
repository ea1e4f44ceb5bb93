-- singularity_workflow.park_tasks: put aside the messages of runs that are not started.
--
-- Called by  take_tasks, which has deleted the messages
-- Locks      runs (SKIP LOCKED), tasks
-- Errors     none
--
-- What take_tasks saw may be old: a resumption that commits meanwhile would announce
-- nothing, because nothing was parked yet. So the run is locked first, by a statement
-- of its own, and looked at again. Not obtained, or started after all: the message
-- goes back under its id. Paused: the task waits. Ended: the message is gone for good.
create or replace function singularity_workflow.park_tasks(
  p_messages jsonb[],
  p_ids      bigint[],
  p_now      timestamptz
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
declare
  v_runs uuid[];
begin
  v_runs := singularity_workflow.lock_runs(
    array(select distinct (m.message->>'run')::uuid from unnest(p_messages) m (message)), false);

  insert into pgmq.q_swf_tasks (msg_id, vt, message) overriding system value
  select m.msg_id, p_now, m.message
  from unnest(p_messages, p_ids) m (message, msg_id)
  join singularity_workflow.runs r on r.run_id = (m.message->>'run')::uuid
  where r.run_id <> all (v_runs) or r.status = 'started';

  update singularity_workflow.tasks t
  set status = 'waiting', wait_reason = 'paused', msg_id = null
  from unnest(p_messages, p_ids) m (message, msg_id)
  join singularity_workflow.runs r on r.run_id = (m.message->>'run')::uuid
  where r.run_id = any (v_runs) and r.status in ('paused', 'pending')
    and t.run_id = r.run_id and t.step_no = (m.message->>'step')::smallint
    and t.task_index = (m.message->>'task')::int
    and t.status = 'queued' and t.msg_id = m.msg_id;
end;
$function$;

comment on function singularity_workflow.park_tasks(jsonb[], bigint[], timestamptz) is
  'Let tasks of paused runs wait, give back what cannot be decided now, drop the rest.';
