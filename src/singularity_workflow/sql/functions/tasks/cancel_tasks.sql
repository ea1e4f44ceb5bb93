-- singularity_workflow.cancel_tasks: cancel the open tasks of a run, a thousand at a time.
--
-- Called by  miss_tasks, cancel_runs, advance_steps, fire_batch (the rest of a sweep)
-- Locks      messages (SKIP LOCKED), tasks in key order
-- Errors     none
--
-- A message that a claim holds just now is left to it: the claim will find its task
-- cancelled and drop it. Of a serial run that goes on, the turns of its tasks are free
-- again. What is more than a thousand goes on from a timer due now, and
-- so does the cancellation of the child runs that the tasks waited for.
create or replace function singularity_workflow.cancel_tasks(
  p_run_id     uuid,
  p_first_step smallint,
  p_last_step  smallint,
  p_now        timestamptz,
  p_first_task integer default 0
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
  v_messages bigint[];
  v_last_step smallint;
  v_last_task integer;
  v_count integer;
  v_has_children boolean;
  v_turns integer;
begin
  with open_tasks as (
    select t.run_id, t.step_no, t.task_index, t.msg_id, t.wait_reason::text as wait_reason
    from singularity_workflow.tasks t
    where t.run_id = p_run_id and t.step_no <= p_last_step
      and (t.step_no, t.task_index) >= (p_first_step, p_first_task)
      and t.status in ('waiting', 'queued', 'started')
    order by t.step_no, t.task_index
    limit 1000
    for update
  ),
  cancelled as (
    update singularity_workflow.tasks t
    set status = 'cancelled', ended_at = p_now, msg_id = null, wait_reason = null
    from open_tasks o
    where t.run_id = o.run_id and t.step_no = o.step_no and t.task_index = o.task_index
    returning t.step_no, t.task_index
  )
  select array_agg(o.msg_id), count(*), max(o.step_no),
         (array_agg(o.task_index order by o.step_no desc, o.task_index desc))[1],
         bool_or(o.wait_reason = 'child'),
         count(*) filter (where o.wait_reason is null or o.wait_reason in ('retry', 'paused', 'unserved', 'child'))
  into v_messages, v_count, v_last_step, v_last_task, v_has_children, v_turns
  from open_tasks o;

  delete from pgmq.q_swf_tasks q
  where q.ctid = any (array(
    select m.ctid from pgmq.q_swf_tasks m where m.msg_id = any (v_messages)
    for update skip locked));

  if v_turns > 0 then
    update singularity_workflow.runs r set turns = r.turns - v_turns
    where r.run_id = p_run_id and r.serial and r.status in ('started', 'paused');
  end if;
  if v_has_children then
    insert into singularity_workflow.timers (kind, run_id, due_at)
    values ('children', p_run_id, singularity_workflow.now());
  end if;
  if v_count = 1000 then
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, due_at)
    values ('sweep', p_run_id, v_last_step, v_last_task, singularity_workflow.now());
  end if;
end;
$function$;

comment on function singularity_workflow.cancel_tasks(uuid, smallint, smallint, timestamptz, integer) is
  'Cancel open tasks of a range of steps and take their messages away.';
