-- singularity_workflow.miss_tasks: what follows when tasks did not complete.
--
-- Called by  report_tasks, with the runs locked
-- Locks      tasks and step_states of those runs; then tasks in key order, messages
--            (SKIP LOCKED)
-- Errors     none
--
-- A failure with attempts left waits for its retry timer. The last one ends the step
-- by its on_failure: fail ends the run; skip and skip_cascade skip the step, and with
-- the latter whatever depends on it. An element of a map with on_error collect or skip
-- ends alone, and the map goes on. A violation (an output that the step's maps cannot
-- take) always fails the run: to go on would be to guess. A task that was skipped by
-- its handler skips a single step; of a map it leaves its element out. So does one
-- whose predicate did not hold (unmet), unless on_unmet says that the run fails.
create or replace function singularity_workflow.miss_tasks(
  p_missed          singularity_workflow.task_outcome[],
  p_now             timestamptz,
  out p_skipped     singularity_workflow.step_key[],   -- steps that ended, the run goes on
  out p_failed_runs uuid[],
  out p_windows     singularity_workflow.step_key[],   -- maps that have room for more tasks
  out p_announced   bigint,                            -- of child runs that were started
  out p_events      bigint[],                          -- the same
  out p_retried     json                 -- [[run, step, task, attempt, seconds until then], …]
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
  v_final singularity_workflow.task_outcome[];
  v_skips singularity_workflow.task_outcome[];
  v_failing singularity_workflow.task_outcome[];
  v_skipped record;
  v_called record;
  v_open record;
begin
  p_events := '{}';
  if exists (select from unnest(p_missed) m where m.outcome = 'unserved') then
    perform singularity_workflow.wait_unserved(p_missed, p_now);
    p_missed := array(select m from unnest(p_missed) m where m.outcome <> 'unserved');
  end if;
  if exists (select from unnest(p_missed) m where m.outcome = 'called') then
    v_called := singularity_workflow.call_children(p_missed, p_now);
    p_announced := v_called.p_announced;
    p_events := v_called.p_events;
    p_missed := array(select m from unnest(p_missed) m where m.outcome <> 'called');
  end if;

  insert into singularity_workflow.task_failures
    (run_id, step_no, task_index, attempt, worker_id, error, output, failed_at)
  select m.run_id, m.step_no, m.task_index, m.attempt, t.worker_id,
         singularity_workflow.outcome_error(m.outcome, m.output, m.error),
         case when m.outcome = 'violation' then m.output end, p_now
  from unnest(p_missed) m
  join singularity_workflow.tasks t
    on t.run_id = m.run_id and t.step_no = m.step_no and t.task_index = m.task_index
  join singularity_workflow.runs r on r.run_id = m.run_id
  join singularity_workflow.workflow_steps w
    on w.workflow_id = r.workflow_id and w.step_no = m.step_no
  where m.outcome in ('failed', 'violation') or m.outcome = 'unmet' and w.on_unmet = 'fail';

  with judged as materialized (
    select m as outcome, m.run_id, m.step_no, m.task_index, m.attempt,
           t.failures + 1 as failures,
           m.outcome in ('failed', 'violation') or m.outcome = 'unmet' and w.on_unmet = 'fail' as is_failure,
           singularity_workflow.outcome_error(m.outcome, m.output, m.error) as error,
           m.outcome = 'skipped' or m.outcome = 'unmet' and w.on_unmet <> 'fail' as is_skipped,
           m.outcome = 'failed' and m.kind = 'map' and w.on_error <> 'fail' as is_tolerated,
           m.outcome = 'failed' and not coalesce(m.is_final, false)
             and t.failures + 1 < (p.policy->>'max_attempts')::int as is_retried,
           coalesce(m.retry_after * interval '1 second',
                    singularity_workflow.retry_delay(p.policy, t.failures + 1)) as delay
    from unnest(p_missed) m
    join singularity_workflow.tasks t
      on t.run_id = m.run_id and t.step_no = m.step_no and t.task_index = m.task_index
    join singularity_workflow.runs r on r.run_id = m.run_id
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.step_no = m.step_no
    join singularity_workflow.workflows f on f.workflow_id = r.workflow_id
    cross join lateral singularity_workflow.retry_policy(f.options, w.options, r.max_attempts) p (policy)
  ),
  updated as (
    update singularity_workflow.tasks t
    set status = case when j.is_retried then 'waiting' when j.is_skipped then 'skipped' else 'failed' end,
        wait_reason = case when j.is_retried then 'retry' end,
        failures = case when j.is_failure then j.failures else t.failures end,
        error = j.error,
        ended_at = case when not j.is_retried then p_now end
    from judged j
    where t.run_id = j.run_id and t.step_no = j.step_no and t.task_index = j.task_index
  ),
  timers as (
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, attempt, due_at)
    select 'retry', j.run_id, j.step_no, j.task_index, j.attempt, singularity_workflow.now() + j.delay
    from judged j where j.is_retried
  ),
  turns as (
    -- a task that waits for its retry keeps the turn of its serial run
    update singularity_workflow.runs r set turns = r.turns + j.tasks
    from (select j.run_id, count(*) as tasks from judged j where j.is_retried group by 1) j
    where r.run_id = j.run_id and r.serial
  )
  select array_agg(j.outcome) filter (
           where not j.is_retried and not j.is_skipped and not j.is_tolerated),
         array_agg(j.outcome) filter (
           where not j.is_retried and (j.is_skipped or j.is_tolerated)),
         json_agg(json_build_array(
             j.run_id, j.step_no, j.task_index, j.attempt, extract(epoch from j.delay)))
           filter (where j.is_retried)
  into v_final, v_skips, p_retried
  from judged j;

  p_skipped := '{}';
  if v_skips is not null then
    v_skipped := singularity_workflow.skip_tasks(v_skips, p_now);
    p_skipped := v_skipped.p_ended;
    p_windows := v_skipped.p_windows;
  end if;

  if v_final is not null then
    select array_agg(f) into v_failing
    from unnest(v_final) f
    join singularity_workflow.runs r on r.run_id = f.run_id
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.step_no = f.step_no
    where f.outcome <> 'failed' or w.on_failure = 'fail';

    -- a step that fails its run is not skipped by another task of it
    p_skipped := p_skipped || singularity_workflow.skip_failed_steps(array(
      select f from unnest(v_final) f
      where not exists (
        select from unnest(v_failing) g where g.run_id = f.run_id and g.step_no = f.step_no)), p_now);
  end if;

  p_failed_runs := '{}';
  if v_failing is not null then
    p_failed_runs := singularity_workflow.fail_runs(v_failing, p_now);
  end if;

  -- one pass over all that ended, in key order: a claim that holds some of these tasks
  -- and waits for others takes them in this order too
  for v_open in
    select r.run_id, 0::smallint as first_step, 32767::smallint as last_step
    from unnest(p_failed_runs) r (run_id)
    union all
    select distinct f.run_id, f.step_no, f.step_no from unnest(v_final) f
    where f.run_id <> all (p_failed_runs)
    order by 1, 2
  loop
    perform singularity_workflow.cancel_tasks(
      v_open.run_id, v_open.first_step, v_open.last_step, p_now);
  end loop;
end;
$function$;

comment on function singularity_workflow.miss_tasks(singularity_workflow.task_outcome[], timestamptz) is
  'Retry, fail or skip tasks that did not complete; end their steps and runs as the options say.';
