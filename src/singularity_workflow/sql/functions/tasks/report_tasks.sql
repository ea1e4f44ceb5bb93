-- singularity_workflow.report_tasks: record the outcomes of tasks; hand over the next.
--
-- Called by  Store.report_tasks: the hot path; public
-- Locks      runs in order of run_id (SKIP LOCKED unless p_wait) → step_states → tasks,
--            then messages (SKIP LOCKED)
-- Errors     SW410; data errors of an output, which the caller isolates by halving
--
-- Each item is an object: run, step, task, attempt, outcome (completed, failed,
-- skipped, unserved, unmet, called) and output, error, final, after, events (emit_events). What the item says holds only if the task
-- is started with that very attempt: a late or repeated report comes back as refused
-- and changes nothing. A run that another transaction holds comes back as deferred.
--
-- In the same commit: dependents are counted down and started, the next tasks go to
-- this worker while it has slots, and with p_claim what slots are left are filled from
-- its queues. A part that has nothing to do is not called: each statement costs its
-- set-up, and this function is called once for every step of a lonely chain.
create or replace function singularity_workflow.report_tasks(
  p_worker_id  uuid,
  p_batch      json,
  p_slots      integer default 0,
  p_queues     text[] default '{}',
  p_claim      boolean default false,    -- there may be messages in the queues
  p_low        bigint default 0,         -- claim: no message has a smaller key
  p_max_key    bigint default null,      -- hand over: nothing less urgent than this
  p_wanted     uuid[] default '{}',      -- runs whose result somebody waits for
  p_known_maps singularity_workflow.step_key[] default '{}',
  p_wait       boolean default false,
  p_lost       boolean default true      -- claim: may bring one task that was lost before
)
returns json  -- {work, ended, refused, deferred, retried, announced, last, head, timers, events}
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
  v_locked uuid[];
  v_done singularity_workflow.task_outcome[];
  v_missed singularity_workflow.task_outcome[];
  v_refused json;
  v_deferred json;
  v_retried json;
  v_serial uuid[];
  v_ended singularity_workflow.step_key[];
  v_leads_on boolean := false;
  v_has_timer boolean := false;
  v_ended_runs uuid[];
  v_handed singularity_workflow.task_key[] := '{}';
  v_announced bigint;
  v_missing record;
  v_advanced record;
  v_tasks record;
  v_turns record;
  v_claimed record;
  v_completed uuid[];
  v_head bigint;
  v_last bigint;
  v_windows singularity_workflow.step_key[];
  v_level smallint;
  v_told singularity_workflow.step_key[];   -- steps that ended, but for those of v_done
  v_begun singularity_workflow.ready_step[];
  v_started singularity_workflow.ready_step[];
  v_emitted json;
  v_events bigint[] := '{}';
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  if p_slots > 0 and singularity_workflow.is_dead(p_worker_id) then
    p_slots := 0;
  end if;

  -- a statement of its own: the next one must see what the lock protects
  v_locked := singularity_workflow.lock_runs(
    array(select x.run from json_to_recordset(p_batch) x (run uuid)), p_wait);

  select array_agg((i.run, i.step, i.task, i.attempt, i.outcome, i.output, i.error, i.final,
                    i.after, i.kind, i.leads_on)::singularity_workflow.task_outcome)
           filter (where i.is_held and i.outcome = 'completed'),
         array_agg((i.run, i.step, i.task, i.attempt, i.outcome, i.output, i.error, i.final,
                    i.after, i.kind, i.leads_on)::singularity_workflow.task_outcome)
           filter (where i.is_held and i.outcome <> 'completed'),
         json_agg(json_build_array(i.run, i.step, i.task, i.attempt))
           filter (where not i.is_held and (i.is_locked or i.workflow_id is null)),
         json_agg(json_build_array(i.run, i.step, i.task, i.attempt))
           filter (where not i.is_locked and i.workflow_id is not null),
         array_agg(i.run) filter (where i.is_held and i.serial),
         max(i.event_level) filter (where i.is_held),
         json_agg(json_build_object('run', i.run, 'step', i.step, 'task', i.task, 'attempt', i.attempt,
                                    'events', i.events))
           filter (where i.is_held and i.events is not null)
  into v_done, v_missed, v_refused, v_deferred, v_serial, v_level, v_emitted
  from (
    select distinct on (x.run, x.step, x.task, x.attempt)
           x.run, x.step, x.task, x.attempt, x.output, x.error, x.final, x.after, x.events,
           case when w.feeds_map and x.outcome = 'completed' and w.kind = 'single'
                     and not singularity_workflow.fits_maps(r.workflow_id, x.step, x.output)
                then 'violation' else x.outcome end as outcome,
           r.workflow_id, r.serial, r.event_level, w.kind, w.leads_on,
           l.is_locked, l.is_locked and r.is_open and t.is_started as is_held
    from json_to_recordset(p_batch) x (
      run uuid, step smallint, task int, attempt int, outcome text, output json, error json,
      final boolean, after float8, events json)
    left join lateral (
      select r.workflow_id, r.serial, r.event_level, r.status in ('started', 'paused') as is_open
      from singularity_workflow.runs r where r.run_id = x.run offset 0) r on true
    left join lateral (
      select w.kind, w.feeds_map, w.dependent_count > 0 as leads_on
      from singularity_workflow.workflow_steps w
      where w.workflow_id = r.workflow_id and w.step_no = x.step offset 0) w on true
    cross join lateral (
      -- a hashed subplan: with `= any` a large batch would compare all with all
      select x.run in (select unnest(v_locked)) as is_locked offset 0) l
    cross join lateral (
      select exists (
        select from singularity_workflow.tasks t
        where t.run_id = x.run and t.step_no = x.step and t.task_index = x.task
          and t.status = 'started' and t.attempt = x.attempt) as is_started offset 0) t
    order by x.run, x.step, x.task, x.attempt) i;

  if v_serial is not null then
    update singularity_workflow.runs r set turns = r.turns - n.tasks
    from (select s.run_id, count(*) as tasks from unnest(v_serial) s (run_id) group by 1) n
    where r.run_id = n.run_id;
  end if;

  if v_done is not null then
    select f.p_ended, f.p_leads_on, f.p_windows, f.p_maps
    into v_ended, v_leads_on, v_windows, v_told
    from singularity_workflow.finish_tasks(v_done, v_now) f;
  end if;

  if v_missed is not null then
    v_missing := singularity_workflow.miss_tasks(v_missed, v_now);
    v_ended := v_ended || v_missing.p_skipped;
    v_told := v_told || v_missing.p_skipped;
    v_leads_on := v_leads_on or cardinality(v_missing.p_skipped) > 0;
    if cardinality(v_missing.p_failed_runs) > 0 then
      -- what else ended in a run that failed leads nowhere
      v_ended := array(
        select e from unnest(v_ended) e where e.run_id <> all (v_missing.p_failed_runs));
    end if;
    v_ended_runs := v_missing.p_failed_runs;
    v_windows := v_windows || v_missing.p_windows;
    v_announced := v_missing.p_announced;
    v_events := v_missing.p_events;
    v_retried := v_missing.p_retried;
    v_has_timer := true;
  end if;

  if v_leads_on then
    v_advanced := singularity_workflow.advance_steps(v_ended, v_now, '{}');
    v_ended := v_ended || v_advanced.p_completed;
    v_told := v_told || v_advanced.p_completed;
    if v_advanced.p_failed_runs is not null then
      v_ended_runs := v_ended_runs || v_advanced.p_failed_runs;
      v_has_timer := true;
    end if;
    v_tasks := singularity_workflow.create_tasks(
      v_advanced.p_started, p_worker_id, p_slots, p_queues, p_max_key, v_now);
    v_handed := v_tasks.p_handed;
    v_begun := v_tasks.p_begun;
    v_started := v_tasks.p_others;
    v_announced := least(v_announced, v_tasks.p_announced);
    v_has_timer := v_has_timer or v_tasks.p_has_timer;
  end if;

  if cardinality(v_ended) > 0 then
    v_completed := singularity_workflow.count_down_runs(v_ended, v_now);
    if v_completed is not null then
      v_ended_runs := v_ended_runs || v_completed;
      v_has_timer := v_has_timer or singularity_workflow.have_parents(v_completed);
    end if;
  end if;

  if v_serial is not null then
    v_turns := singularity_workflow.release_serial(
      v_serial, p_worker_id, p_slots - cardinality(v_handed), p_queues, p_max_key, v_now);
    v_handed := v_handed || v_turns.p_handed;
    v_announced := least(v_announced, v_turns.p_announced);
  end if;

  if v_windows is not null then
    v_announced := least(v_announced, singularity_workflow.release_windows(v_windows, v_now));
    p_claim := true;     -- what has just been let go may be for this worker
  end if;

  if p_claim and p_slots > cardinality(v_handed) then
    v_claimed := singularity_workflow.take_tasks(
      p_worker_id, p_queues, p_low, p_slots - cardinality(v_handed), v_now, p_lost);
    v_handed := v_handed || v_claimed.p_taken;
    v_head := v_claimed.p_head;
    v_last := v_claimed.p_last;
    if v_claimed.p_has_events then
      v_level := 2;
    end if;
  end if;

  if v_level > 0 then
    v_events := v_events || singularity_workflow.record_events(
      v_now, v_level, p_emitted => v_emitted, p_done => v_done, p_missed => v_missed,
      p_ended => v_told, p_begun => v_begun, p_started => v_started,
      p_taken => v_handed[coalesce(cardinality(v_begun), 0) + 1:],
      p_ended_runs => v_ended_runs, p_worker_id => p_worker_id);
  end if;

  return json_build_object(
    'work', case when cardinality(v_handed) > 0
              then singularity_workflow.task_reply(v_handed, v_locked, p_known_maps) end,
    'ended', case when cardinality(v_ended_runs) > 0
               then singularity_workflow.ended_reply(v_ended_runs, p_wanted) end,
    'refused', v_refused,
    'deferred', v_deferred,
    'retried', v_retried,
    'announced', v_announced,
    'last', v_last,
    'head', v_head,
    'timers', case when v_has_timer then singularity_workflow.next_timer_in() end,
    'events', case when v_level > 0 then v_events end);
end;
$function$;

comment on function singularity_workflow.report_tasks(
  uuid, json, integer, text[], boolean, bigint, bigint, uuid[], singularity_workflow.step_key[],
  boolean, boolean) is
  'Record outcomes of tasks, advance their runs, and give the worker its next tasks.';
