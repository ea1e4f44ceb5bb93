-- singularity_workflow.fire_batch: do what some timers that are due ask for.
--
-- Called by  fire_timers, which has locked them
-- Locks      runs (SKIP LOCKED) → step_states → tasks
-- Errors     none of its own; the caller isolates the timer that raises one
--
-- The timers of a run that somebody holds stay; those of a run that has ended are
-- dropped, except its sweep. What is due in a paused run waits for its resumption, and
-- no longer for a timer.
create or replace function singularity_workflow.fire_batch(
  p_due           bigint[],
  p_worker_id     uuid,                   -- the caller, who fails what it is given as overdue
  p_now           timestamptz,
  out p_ended     json,                   -- as ended_reply
  out p_announced bigint,
  out p_overdue   json,                   -- [[run, step, task, attempt], …]
  out p_events    bigint[]                -- positions of the events
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
  c_children constant integer := 100;     -- runs that one transaction holds for their parents
  v_parents uuid[];
  v_locked uuid[];
  v_timer record;
  v_woken record;
  v_serial uuid[];
  v_windows singularity_workflow.step_key[];
  v_settled json;
  v_part record;
  v_ended uuid[] := '{}';
begin
  select array_agg(distinct t.run_id) into v_parents
  from unnest(p_due) d (timer_id)
  cross join lateral (
    select t.* from singularity_workflow.timers t where t.timer_id = d.timer_id offset 0) t
  where t.kind = 'children';

  -- all runs in one go and in order: parents and children of different timers may meet
  v_locked := singularity_workflow.lock_runs(
    array(select t.run_id from unnest(p_due) d (timer_id)
          cross join lateral (
            select t.* from singularity_workflow.timers t where t.timer_id = d.timer_id offset 0) t
          where t.kind not in ('children', 'compensate')
          union
          select c.run_id from singularity_workflow.children_to_follow(v_parents, c_children) c), false);

  v_woken := singularity_workflow.wake_tasks(p_due, v_locked, p_now);
  p_announced := v_woken.p_announced;
  v_serial := v_woken.p_serial;
  v_windows := v_woken.p_windows;
  p_overdue := singularity_workflow.take_overdue(p_due, v_locked, p_worker_id, p_now);
  v_settled := singularity_workflow.settle_children(p_due, v_locked);
  p_announced := least(p_announced, (v_settled->>'announced')::bigint);
  p_events := array(
    select e.value::bigint from json_array_elements_text(coalesce((v_settled->>'events')::json, '[]')) e);

  -- in key order of the tasks: a deadline cancels the first, a sweep those behind them
  for v_timer in
    select t.kind, t.run_id, t.step_no, t.task_index, r.status, r.serial,
           coalesce(t.attempt, 0) = r.pauses as is_current
    from unnest(p_due) d (timer_id)
    cross join lateral (
      select t.* from singularity_workflow.timers t where t.timer_id = d.timer_id offset 0) t
    cross join lateral (
      select r.status, r.serial, r.pauses from singularity_workflow.runs r
      where r.run_id = t.run_id offset 0) r
    where t.run_id = any (v_locked)
      and t.kind in ('fan_out', 'sweep', 'deadline', 'resume')
    order by t.run_id, t.kind, t.step_no, t.task_index
  loop
    if v_timer.kind = 'sweep' then
      perform singularity_workflow.cancel_tasks(
        v_timer.run_id, v_timer.step_no,
        case when v_timer.status in ('started', 'paused') then v_timer.step_no else 32767 end::smallint,
        p_now, v_timer.task_index);
    elsif v_timer.kind = 'deadline' then
      -- that of a paused run stands still: its resumption sets another
      if v_timer.status = 'started' and v_timer.is_current then
        v_ended := v_ended || singularity_workflow.cancel_runs(array[v_timer.run_id], 'deadline');
      end if;
    elsif v_timer.kind = 'resume' then
      if v_timer.status = 'started' then
        p_announced := least(p_announced, singularity_workflow.unpark_tasks(
          v_timer.run_id, v_timer.step_no, v_timer.task_index, p_now));
      end if;
    elsif v_timer.status in ('started', 'paused') then
      p_announced := least(p_announced, singularity_workflow.fan_out(
        v_timer.run_id, v_timer.step_no, v_timer.task_index, p_now));
      v_windows := v_windows || (v_timer.run_id, v_timer.step_no)::singularity_workflow.step_key;
      if v_timer.serial then
        v_serial := v_serial || v_timer.run_id;
      end if;
    end if;
  end loop;

  if v_windows is not null then
    p_announced := least(p_announced, singularity_workflow.release_windows(v_windows, p_now));
  end if;
  if v_serial is not null then
    v_part := singularity_workflow.release_serial(v_serial, null, 0, '{}', null, p_now);
    p_announced := least(p_announced, v_part.p_announced);
  end if;
  if v_parents is not null then
    v_part := singularity_workflow.follow_parents(v_parents, v_locked);
    v_ended := v_ended || v_part.p_ended;
    p_announced := least(p_announced, v_part.p_announced);
  end if;

  for v_timer in
    select t.run_id from unnest(p_due) d (timer_id)
    cross join lateral (
      select t.* from singularity_workflow.timers t where t.timer_id = d.timer_id offset 0) t
    where t.kind = 'compensate' order by t.run_id
  loop
    v_part := singularity_workflow.start_compensation(v_timer.run_id, p_now);
    p_announced := least(p_announced, v_part.p_announced);
    v_ended := v_ended || v_part.p_ended;
    p_events := p_events || v_part.p_events;
  end loop;

  delete from singularity_workflow.timers t
  using unnest(p_due) d (timer_id)
  cross join lateral (
    select o.ctid from singularity_workflow.timers o where o.timer_id = d.timer_id offset 0) x
  where t.ctid = x.ctid
    and (t.run_id = any (v_locked) or t.kind in ('children', 'compensate')
         or not exists (select from singularity_workflow.runs r where r.run_id = t.run_id));

  -- what is left belongs to runs that somebody holds: it must not be the first again, or
  -- one held run with many timers would keep all others from being fired
  update singularity_workflow.timers t
  set due_at = singularity_workflow.now() + interval '50 milliseconds'
  from unnest(p_due) d (timer_id)
  cross join lateral (
    select o.ctid from singularity_workflow.timers o where o.timer_id = d.timer_id offset 0) x
  where t.ctid = x.ctid;

  select json_agg(e.value) into p_ended
  from (select json_array_elements(singularity_workflow.ended_reply(v_ended, '{}')) as value
        union all
        select json_array_elements(v_settled->'ended')
        where json_typeof(v_settled->'ended') = 'array') e;
end;
$function$;

comment on function singularity_workflow.fire_batch(bigint[], uuid, timestamptz) is
  'Fire timers, all of them or none.';
