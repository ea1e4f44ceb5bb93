-- singularity_workflow.advance_steps: count down the dependents of steps that ended.
--
-- Called by  report_tasks and start_runs, with the runs locked
-- Locks      step_states of the same runs
-- Errors     none
--
-- A dependent whose last dependency ended starts; one that has no task to run (a map
-- over nothing) completes at once, and its own dependents are next. One statement a
-- level, all runs together, and no bound on the depth: a chain of a thousand empty
-- maps ends inside the call that started it.
create or replace function singularity_workflow.advance_steps(
  p_ended         singularity_workflow.step_key[],
  p_now           timestamptz,
  out p_started   singularity_workflow.ready_step[],  -- they need tasks
  out p_completed singularity_workflow.step_key[]     -- without a task
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
  v_started singularity_workflow.ready_step[];
begin
  p_started := '{}';
  p_completed := '{}';

  while cardinality(v_ended) > 0 loop
    with waiting as (
      select e.run_id, d.step_no, r.workflow_id, r.owner, r.order_key, r.serial, r.is_paused,
             count(*)::smallint as ended
      from unnest(v_ended) e
      cross join lateral (
        select r.workflow_id, r.owner, r.order_key, r.serial, r.status = 'paused' as is_paused
        from singularity_workflow.runs r where r.run_id = e.run_id offset 0) r
      cross join lateral (
        select d.step_no from singularity_workflow.workflow_step_dependencies d
        where d.workflow_id = r.workflow_id and d.depends_on_no = e.step_no offset 0) d
      group by e.run_id, d.step_no, r.workflow_id, r.owner, r.order_key, r.serial, r.is_paused
    ),
    sized as materialized (
      select x.ctid, x.run_id, x.step_no, w.ended, x.remaining_deps = w.ended as is_ready, d.kind,
             case d.kind when 'single' then 1 else coalesce(
               json_array_length(singularity_workflow.map_elements(w.run_id, d.over_step_no, null)),
               d.initial_tasks) end as size,
             coalesce('local:' || w.owner::text, d.queue) as queue,
             w.order_key - d.priority * 600000::bigint as k,
             case when d.start_delay is not null then 'delay' when w.is_paused then 'paused'
                  when w.serial then 'limit' end as wait_reason,
             d.start_delay, d.queue_timeout
      from waiting w
      cross join lateral (
        select d.kind, d.over_step_no, d.initial_tasks, d.queue, d.priority, d.start_delay, d.queue_timeout
        from singularity_workflow.workflow_steps d
        where d.workflow_id = w.workflow_id and d.step_no = w.step_no offset 0) d
      cross join lateral (
        select c.ctid, c.run_id, c.step_no, c.remaining_deps
        from singularity_workflow.step_states c
        where c.run_id = w.run_id and c.step_no = w.step_no and c.status = 'created' offset 0) x
    ),
    counted as (
      update singularity_workflow.step_states s
      set remaining_deps = s.remaining_deps - n.ended,
          status = case when not n.is_ready then 'created'
                        when n.size = 0 then 'completed' else 'started' end,
          initial_tasks = case when n.is_ready then n.size end,
          remaining_tasks = case when n.is_ready then n.size end,
          started_at = case when n.is_ready then p_now end,
          ended_at = case when n.is_ready and n.size = 0 then p_now end,
          output = case when n.is_ready and n.size = 0 then '[]'::json end
      from sized n
      where s.ctid = n.ctid
    )
    select coalesce(array_agg((n.run_id, n.step_no, n.kind, n.size, n.queue, n.k, n.wait_reason,
                               n.start_delay, n.queue_timeout)::singularity_workflow.ready_step
                              order by n.k, n.run_id, n.step_no) filter (where n.size > 0), '{}'),
           coalesce(array_agg((n.run_id, n.step_no)::singularity_workflow.step_key)
                    filter (where n.size = 0), '{}')
    into v_started, v_ended
    from sized n where n.is_ready;

    p_started := p_started || v_started;
    p_completed := p_completed || v_ended;
  end loop;
end;
$function$;

comment on function singularity_workflow.advance_steps(singularity_workflow.step_key[], timestamptz) is
  'Start, or complete without tasks, the steps whose last dependency has ended.';
