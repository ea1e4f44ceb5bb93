-- singularity_workflow.fire_timers: do what is due.
--
-- Called by  Store.fire_timers: a duty that any worker may do; public
-- Locks      advisory lock (tried, not waited for), timers (SKIP LOCKED) → runs (SKIP
--            LOCKED) → step_states → tasks
-- Errors     SW410
--
-- At most p_limit timers a call. The timers of a run that somebody holds stay for the
-- next call; those of a run that has ended are dropped, except its sweep. What is due in
-- a paused run waits for its resumption, and no longer for a timer.
create or replace function singularity_workflow.fire_timers(
  p_limit     integer default 500,
  p_worker_id uuid default null     -- the caller, who fails what it is given as overdue
)
returns json    -- {ended, announced, next: seconds, fired, overdue: [[run, step, task, attempt], …]}
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
  v_now timestamptz := clock_timestamp();
  v_moment timestamptz := singularity_workflow.now();  -- once: the index can be searched by it
  v_due bigint[];
  v_locked uuid[];
  v_timer record;
  v_tasks singularity_workflow.task_key[];
  v_serial uuid[];
  v_announced bigint;
  v_overdue json;
  v_chunk record;
  v_cancelled uuid[] := '{}';
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  if singularity_workflow.is_dead(p_worker_id) then
    return json_build_object('fired', 0, 'next', 0.5);
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('singularity_workflow.timers', 0)) then
    return json_build_object('fired', 0, 'next', 0.05);
  end if;

  select array_agg(t.timer_id) into v_due
  from (select t.timer_id from singularity_workflow.timers t
        where t.due_at <= v_moment
          and (t.kind <> 'queue_timeout' or p_worker_id is not null)
        order by t.due_at limit p_limit for update skip locked) t;

  if v_due is null then
    return json_build_object('fired', 0, 'next', singularity_workflow.next_timer_in());
  end if;

  v_locked := singularity_workflow.lock_runs(
    array(select distinct t.run_id from singularity_workflow.timers t where t.timer_id = any (v_due)), false);

  -- retries, and tasks whose start was delayed: a thousand of a map at a time
  with due as (
    select t.* from singularity_workflow.timers t
    join singularity_workflow.runs r on r.run_id = t.run_id
    where t.timer_id = any (v_due) and t.run_id = any (v_locked)
      and t.kind in ('retry', 'delay', 'unserved') and r.status in ('started', 'paused')
  ),
  ready as (
    select k.run_id, k.step_no, k.task_index, d.kind
    from due d
    join singularity_workflow.tasks k
      on k.run_id = d.run_id and k.step_no = d.step_no
     and k.task_index >= d.task_index
     and k.task_index < d.task_index + case d.kind when 'delay' then 1000 else 1 end
    where k.status = 'waiting' and k.wait_reason = d.kind
      and (d.attempt is null or d.attempt = k.attempt)
  ),
  turns as (
    -- in a serial run a delayed task waits for its turn next; a retry has it already
    update singularity_workflow.tasks k
    set wait_reason = case when r.serial and e.kind = 'delay' then 'limit' else 'paused' end
    from ready e join singularity_workflow.runs r on r.run_id = e.run_id
    where (r.serial and e.kind = 'delay' or r.status = 'paused')
      and k.run_id = e.run_id and k.step_no = e.step_no and k.task_index = e.task_index
  ),
  more as (
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, due_at)
    select 'delay', d.run_id, d.step_no, d.task_index + 1000, d.due_at
    from due d
    join singularity_workflow.step_states s on s.run_id = d.run_id and s.step_no = d.step_no
    where d.kind = 'delay' and s.initial_tasks > d.task_index + 1000
  )
  select array_agg((e.run_id, e.step_no, e.task_index)::singularity_workflow.task_key)
           filter (where r.status = 'started' and not (r.serial and e.kind = 'delay')),
         array_agg(distinct e.run_id) filter (where r.serial and e.kind = 'delay')
  into v_tasks, v_serial
  from ready e join singularity_workflow.runs r on r.run_id = e.run_id;

  v_announced := singularity_workflow.queue_tasks(v_tasks, 0, v_now);
  v_overdue := singularity_workflow.take_overdue(v_due, v_locked, p_worker_id, v_now);

  -- in key order of the tasks: a deadline cancels the first, a sweep those behind them
  for v_timer in
    select t.kind, t.run_id, t.step_no, t.task_index, r.status, r.serial
    from singularity_workflow.timers t
    join singularity_workflow.runs r on r.run_id = t.run_id
    where t.timer_id = any (v_due) and t.run_id = any (v_locked)
      and t.kind in ('fan_out', 'sweep', 'deadline')
    order by t.run_id, t.kind, t.step_no, t.task_index
  loop
    if v_timer.kind = 'sweep' then
      perform singularity_workflow.cancel_tasks(
        v_timer.run_id, v_timer.step_no,
        case when v_timer.status in ('started', 'paused') then v_timer.step_no else 32767 end::smallint,
        v_now, v_timer.task_index);
    elsif v_timer.status in ('started', 'paused') and v_timer.kind = 'deadline' then
      v_cancelled := v_cancelled || singularity_workflow.cancel_runs(array[v_timer.run_id], 'deadline');
    elsif v_timer.status in ('started', 'paused') then
      v_chunk := singularity_workflow.create_map_tasks(
        array(
          select (r.run_id, s.step_no, 'map', s.initial_tasks,
                  coalesce('local:' || r.owner::text, w.queue),
                  r.order_key - w.priority * 600000::bigint,
                  case when r.status = 'paused' then 'paused' when r.serial then 'limit' end,
                  null, w.queue_timeout)::singularity_workflow.ready_step
          from singularity_workflow.runs r
          join singularity_workflow.step_states s
            on s.run_id = r.run_id and s.step_no = v_timer.step_no and s.status = 'started'
          join singularity_workflow.workflow_steps w
            on w.workflow_id = r.workflow_id and w.step_no = s.step_no
          where r.run_id = v_timer.run_id),
        v_timer.task_index, null, 0, '{}', null, v_now);
      v_announced := least(v_announced, v_chunk.p_announced);
      if v_timer.serial then
        v_serial := v_serial || v_timer.run_id;
      end if;
    end if;
  end loop;

  if v_serial is not null then
    v_chunk := singularity_workflow.release_serial(v_serial, null, 0, '{}', null, v_now);
    v_announced := least(v_announced, v_chunk.p_announced);
  end if;

  delete from singularity_workflow.timers t
  where t.timer_id = any (v_due)
    and (t.run_id = any (v_locked)
         or not exists (select from singularity_workflow.runs r where r.run_id = t.run_id));

  return json_build_object(
    'fired', cardinality(v_due),
    'ended', singularity_workflow.ended_reply(v_cancelled, '{}'),
    'announced', v_announced,
    'overdue', v_overdue,
    'next', singularity_workflow.next_timer_in());
end;
$function$;

comment on function singularity_workflow.fire_timers(integer, uuid) is
  'Fire the timers that are due: retries, delays, fan-outs, deadlines, sweeps.';
