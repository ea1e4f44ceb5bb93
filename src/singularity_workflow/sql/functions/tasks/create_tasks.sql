-- singularity_workflow.create_tasks: give steps that started their tasks.
--
-- Called by  start_runs, report_tasks and open_steps, with the runs locked
-- Locks      none but its new rows
-- Errors     none
--
-- The first p_slots tasks that the calling worker serves, and that are not behind the
-- head of its queues, are handed over: started at once, with no message. The others
-- are queued behind a message. Tasks of a delayed step wait for a timer, those of a
-- paused run for its resumption, those of a serial run for their turn.
--
-- Several plain statements, each run only if it has rows: what a chain does at every
-- step is one insert of one row, and nothing else is even set up.
create or replace function singularity_workflow.create_tasks(
  p_steps         singularity_workflow.ready_step[],
  p_worker_id     uuid,
  p_slots         integer,
  p_queues        text[],
  p_max_key       bigint,             -- hand over nothing that is less urgent; null: no bound
  p_now           timestamptz,
  out p_handed    singularity_workflow.task_key[],
  out p_announced bigint,             -- the smallest key of the new messages
  out p_has_timer boolean,
  out p_begun     singularity_workflow.ready_step[],   -- single steps whose task was handed over
  out p_others    singularity_workflow.ready_step[]    -- the other steps; the first of p_handed are p_begun's
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
  v_step singularity_workflow.ready_step;
  v_now singularity_workflow.ready_step[] := '{}';
  v_queued singularity_workflow.ready_step[] := '{}';
  v_waiting singularity_workflow.ready_step[] := '{}';
  v_maps singularity_workflow.ready_step[] := '{}';
  v_timed singularity_workflow.ready_step[] := '{}';
  v_more record;
begin
  p_handed := '{}';
  p_has_timer := false;

  foreach v_step in array p_steps loop
    if v_step.kind = 'map' then
      v_maps := v_maps || v_step;
    elsif v_step.wait_reason is not null then
      v_waiting := v_waiting || v_step;
    elsif cardinality(p_handed) < p_slots and v_step.queue = any (p_queues)
          and v_step.k <= coalesce(p_max_key, v_step.k) then
      v_now := v_now || v_step;
      p_handed := p_handed || (v_step.run_id, v_step.step_no, 0)::singularity_workflow.task_key;
    else
      v_queued := v_queued || v_step;
      if v_step.queue_timeout is not null then
        v_timed := v_timed || v_step;
      end if;
      p_announced := least(p_announced, v_step.k);
    end if;
  end loop;

  if cardinality(v_now) > 0 then
    insert into singularity_workflow.tasks
      (run_id, step_no, task_index, status, attempt, worker_id, created_at, started_at)
    select s.run_id, s.step_no, 0, 'started', 1, p_worker_id, p_now, p_now
    from unnest(v_now) s;
  end if;

  if cardinality(v_queued) > 0 then
    with planned as materialized (
      select s.run_id, s.step_no, s.queue, s.k, nextval('pgmq.q_swf_tasks_msg_id_seq') as msg_id
      from unnest(v_queued) s
    ),
    new_tasks as (
      insert into singularity_workflow.tasks
        (run_id, step_no, task_index, status, msg_id, created_at)
      select p.run_id, p.step_no, 0, 'queued', p.msg_id, p_now from planned p
    )
    insert into pgmq.q_swf_tasks (msg_id, vt, message) overriding system value
    select p.msg_id, p_now, singularity_workflow.task_message(p.queue, p.k, p.run_id, p.step_no, 0)
    from planned p;
  end if;

  if cardinality(v_timed) > 0 then
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, attempt, due_at)
    select 'queue_timeout', s.run_id, s.step_no, 0, 0, singularity_workflow.now() + s.queue_timeout
    from unnest(v_timed) s;
    p_has_timer := true;
  end if;

  if cardinality(v_waiting) > 0 then
    insert into singularity_workflow.tasks
      (run_id, step_no, task_index, status, wait_reason, created_at)
    select s.run_id, s.step_no, 0, 'waiting', s.wait_reason, p_now from unnest(v_waiting) s;

    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, due_at)
    select 'delay', s.run_id, s.step_no, 0, singularity_workflow.now() + s.start_delay
    from unnest(v_waiting) s where s.wait_reason = 'delay';
    p_has_timer := p_has_timer or found;
  end if;

  if cardinality(v_maps) > 0 then
    v_more := singularity_workflow.create_map_tasks(
      v_maps, 0, p_worker_id, p_slots - cardinality(p_handed), p_queues, p_max_key, p_now);
    p_handed := p_handed || v_more.p_handed;
    p_announced := least(p_announced, v_more.p_announced);
    p_has_timer := p_has_timer or v_more.p_has_timer;
  end if;
  p_begun := v_now;
  p_others := v_queued || v_waiting || v_maps;
end;
$function$;

comment on function singularity_workflow.create_tasks(
  singularity_workflow.ready_step[], uuid, integer, text[], bigint, timestamptz) is
  'Create the tasks of started steps; hand the first over to the calling worker, queue the rest.';
