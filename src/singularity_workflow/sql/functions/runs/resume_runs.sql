-- singularity_workflow.resume_runs: go on with paused runs.
--
-- Called by  Store.resume_runs, follow_parents for the children of resumed runs; public
-- Locks      runs in order of run_id → step_states → tasks in key order
-- Errors     SW410
--
-- The tasks that were put aside are queued again, a thousand at once and the rest by
-- timers due now. The deadline moves by the length of the pause.
create or replace function singularity_workflow.resume_runs(p_run_ids uuid[])
returns json    -- {runs: [[run id, status before, is changed], …], announced, timers}
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
  v_runs json;
  v_resumed uuid[];
  v_run_id uuid;
  v_announced bigint;
  v_turns record;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  perform singularity_workflow.lock_runs(p_run_ids, true);

  select coalesce(json_agg(json_build_array(r.run_id, r.status, r.status = 'paused')), '[]'),
         coalesce(array_agg(r.run_id order by r.run_id) filter (where r.status = 'paused'), '{}')
  into v_runs, v_resumed
  from singularity_workflow.runs r where r.run_id = any (p_run_ids);

  with resumed as (
    update singularity_workflow.runs r
    set status = 'started', reason = null, paused_at = null, pauses = r.pauses + 1,
        deadline_at = r.deadline_at + (v_now - r.paused_at)
    where r.run_id = any (v_resumed)
    returning r.run_id, r.deadline_at, r.pauses
  )
  insert into singularity_workflow.timers (kind, run_id, attempt, due_at)
  select 'deadline', r.run_id, r.pauses, singularity_workflow.now() + (r.deadline_at - v_now)
  from resumed r where r.deadline_at is not null
  union all
  select 'children', r.run_id, null, singularity_workflow.now()
  from resumed r where singularity_workflow.has_open_children(r.run_id);

  perform singularity_workflow.record_change('workflow_resumed', v_resumed, null, v_now);

  foreach v_run_id in array v_resumed loop
    v_announced := least(v_announced, singularity_workflow.unpark_tasks(v_run_id, 0::smallint, 0, v_now));
  end loop;

  v_announced := least(v_announced, singularity_workflow.release_windows(
    array(select (s.run_id, s.step_no)::singularity_workflow.step_key
          from singularity_workflow.step_states s
          where s.run_id = any (v_resumed) and s.status = 'started' and s.window_used is not null),
    v_now));
  v_turns := singularity_workflow.release_serial(v_resumed, null, 0, '{}', null, v_now);

  return json_build_object(
    'runs', v_runs,
    'announced', least(v_announced, v_turns.p_announced),
    'timers', singularity_workflow.next_timer_in());
end;
$function$;

comment on function singularity_workflow.resume_runs(uuid[]) is
  'Resume paused runs and queue what was put aside.';
