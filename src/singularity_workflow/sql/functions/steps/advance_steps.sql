-- singularity_workflow.advance_steps: count down the dependents of steps that ended.
--
-- Called by  report_tasks, start_runs and open_steps, with the runs locked
-- Locks      step_states of the same runs; of runs that fail, tasks in key order
-- Errors     none
--
-- A dependent whose last dependency ended starts, if its condition is met; one that has
-- no task to run (a map over nothing, a step that is skipped) ends at once, and its own
-- dependents are next. One statement a level, all runs together, and no bound on the
-- depth: a chain of a thousand empty or skipped steps ends inside the call that
-- started it.
create or replace function singularity_workflow.advance_steps(
  p_ended           singularity_workflow.step_key[],
  p_now             timestamptz,
  p_roots           singularity_workflow.step_key[],  -- created, without dependencies left
  out p_started     singularity_workflow.ready_step[],  -- they need tasks
  out p_completed   singularity_workflow.step_key[],  -- without a task, or skipped
  out p_failed_runs uuid[]                            -- by a condition, with on_unmet fail
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
  v_ended singularity_workflow.step_key[] := p_ended;
  v_roots singularity_workflow.step_key[] := p_roots;
  v_started singularity_workflow.ready_step[];
  v_cascades singularity_workflow.step_key[];
  v_unmet singularity_workflow.task_outcome[];
  v_run_id uuid;
begin
  p_started := '{}';
  p_completed := '{}';

  while cardinality(v_ended) > 0 or cardinality(v_roots) > 0 loop
    with counts as (
      select e.run_id, d.step_no, count(*)::smallint as ended
      from unnest(v_ended) e
      cross join lateral (
        select r.workflow_id from singularity_workflow.runs r where r.run_id = e.run_id offset 0) r
      cross join lateral (
        select d.step_no from singularity_workflow.workflow_step_dependencies d
        where d.workflow_id = r.workflow_id and d.depends_on_no = e.step_no offset 0) d
      group by e.run_id, d.step_no
      union all
      select o.run_id, o.step_no, 0::smallint from unnest(v_roots) o
    ),
    judged as materialized (
      select x.ctid, x.run_id, x.step_no, n.ended, x.remaining_deps = n.ended as is_ready,
             d.kind, d.over_step_no, d.initial_tasks,
             case when x.remaining_deps = n.ended and d.condition is not null
                    and not singularity_workflow.condition_met(x.run_id, x.step_no)
               then d.on_unmet end as unmet,
             coalesce('local:' || r.owner::text, d.queue) as queue,
             r.order_key - d.priority * 600000::bigint as k,
             case when d.start_delay is not null then 'delay' when r.serial then 'limit'
                  when r.is_paused then 'paused' end as wait_reason,
             d.start_delay, d.queue_timeout
      from counts n
      cross join lateral (
        select r.workflow_id, r.owner, r.order_key, r.serial, r.status = 'paused' as is_paused
        from singularity_workflow.runs r where r.run_id = n.run_id offset 0) r
      cross join lateral (
        select d.kind, d.over_step_no, d.initial_tasks, d.queue, d.priority, d.start_delay,
               d.queue_timeout, d.condition, d.on_unmet
        from singularity_workflow.workflow_steps d
        where d.workflow_id = r.workflow_id and d.step_no = n.step_no offset 0) d
      cross join lateral (
        select c.ctid, c.run_id, c.step_no, c.remaining_deps
        from singularity_workflow.step_states c
        where c.run_id = n.run_id and c.step_no = n.step_no and c.status = 'created' offset 0) x
    ),
    sized as materialized (
      select j.*,
             case when not j.is_ready or j.unmet is not null then null
                  when j.kind = 'single' then 1
                  else coalesce(
                    json_array_length(singularity_workflow.map_elements(
                      j.run_id, j.over_step_no,
                      case when j.over_step_no is null then (
                        select r.input from singularity_workflow.runs r where r.run_id = j.run_id) end)),
                    j.initial_tasks) end as size
      from judged j
    ),
    counted as (
      update singularity_workflow.step_states s
      set remaining_deps = s.remaining_deps - n.ended,
          status = case when n.unmet = 'skip' then 'skipped'
                        when n.size is null then 'created'
                        when n.size = 0 then 'completed' else 'started' end,
          initial_tasks = n.size,
          remaining_tasks = n.size,
          started_at = case when n.size is not null then p_now end,
          ended_at = case when n.size = 0 or n.unmet = 'skip' then p_now end,
          skip_reason = case when n.unmet = 'skip' then 'condition unmet' end,
          output = case when n.size = 0 then '[]'::json else s.output end
      from sized n
      where s.ctid = n.ctid
    )
    select coalesce(array_agg((n.run_id, n.step_no, n.kind, n.size, n.queue, n.k, n.wait_reason,
                               n.start_delay, n.queue_timeout)::singularity_workflow.ready_step
                              order by n.k, n.run_id, n.step_no) filter (where n.size > 0), '{}'),
           coalesce(array_agg((n.run_id, n.step_no)::singularity_workflow.step_key)
                    filter (where n.size = 0 or n.unmet = 'skip'), '{}'),
           array_agg((n.run_id, n.step_no)::singularity_workflow.step_key)
             filter (where n.unmet = 'skip_cascade'),
           v_unmet || array_agg(
             (n.run_id, n.step_no, null, null, 'unmet', null, null, true, null, n.kind, true)
             ::singularity_workflow.task_outcome) filter (where n.unmet = 'fail')
    into v_started, v_ended, v_cascades, v_unmet
    from sized n where n.is_ready;

    if v_cascades is not null then
      v_ended := v_ended || singularity_workflow.skip_steps(
        v_cascades, 'condition unmet', null, true, p_now);
    end if;
    p_started := p_started || v_started;
    p_completed := p_completed || v_ended;
    v_roots := '{}';
  end loop;

  if cardinality(v_unmet) > 0 then
    p_failed_runs := singularity_workflow.fail_runs(v_unmet, p_now);
    -- what else began in a run that failed has no tasks yet, and gets none
    p_started := array(
      select s from unnest(p_started) s where s.run_id <> all (p_failed_runs));
    for v_run_id in select r.run_id from unnest(p_failed_runs) r (run_id) order by 1 loop
      perform singularity_workflow.cancel_tasks(v_run_id, 0::smallint, 32767::smallint, p_now);
    end loop;
  end if;
end;
$function$;

comment on function singularity_workflow.advance_steps(
  singularity_workflow.step_key[], timestamptz, singularity_workflow.step_key[]) is
  'Start, skip, or complete without tasks, the steps whose last dependency has ended.';
