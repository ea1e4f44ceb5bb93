-- singularity_workflow.record_events: store what a call has done, in dependency order.
--
-- Called by  start_runs, report_tasks, claim_tasks, open_steps; only if some run of theirs
--            has events
-- Locks      none but its new rows
-- Errors     none
--
-- The caller says which rows it has changed; what became of them is read there. Of one
-- run come first its start, then what its tasks brought, the steps that ended and those
-- that began, each after what it depends on; its end is the last. A part that has
-- nothing to tell is not even set up.
create or replace function singularity_workflow.record_events(
  p_now        timestamptz,
  p_level      smallint,                                         -- the highest of the runs
  p_new        uuid[] default null,                              -- runs
  p_emitted    json default null,                                -- a batch of report_tasks
  p_done       singularity_workflow.task_outcome[] default null, -- completed
  p_missed     singularity_workflow.task_outcome[] default null, -- did not
  p_ended      singularity_workflow.step_key[] default null,
  p_started    singularity_workflow.ready_step[] default null,
  p_taken      singularity_workflow.task_key[] default null,
  p_ended_runs uuid[] default null
)
returns bigint[]              -- positions of the events
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
  v_runs uuid[] := '{}';
  v_events json[] := '{}';
  v_some_runs uuid[];           -- scalars: a record of another shape is planned for anew
  v_some json[];
begin
  if cardinality(p_new) > 0 then
    select array_agg(r.run_id order by n.place), array_agg(case
             when r.parent_run_id is null and r.origin_run_id is null
             then json_build_object('type', 'workflow_started', 'input', r.input)
             else json_build_object(
               'type', 'workflow_started', 'input', r.input, 'parent_run_id', r.parent_run_id,
               'origin_run_id', r.origin_run_id, 'origin', r.origin_kind) end order by n.place)
    into v_some_runs, v_some
    from unnest(p_new) with ordinality n (run_id, place)
    cross join lateral (
      select r.run_id, r.parent_run_id, r.origin_run_id, r.origin_kind,
             singularity_workflow.event_payload(r.input, r.run_id::text) as input
      from singularity_workflow.runs r
      where r.run_id = n.run_id and r.event_level > 0 offset 0) r;
    v_runs := v_some_runs;
    v_events := v_some;
  end if;

  if p_emitted is not null then
    select e.p_runs, e.p_events into v_some_runs, v_some
    from singularity_workflow.emitted_events(p_emitted) e;
    v_runs := v_runs || v_some_runs;
    v_events := v_events || v_some;
  end if;

  if p_level = 2 and cardinality(p_done) > 0 then
    select array_agg(d.run_id), array_agg(json_build_object(
             'type', 'task_completed', 'task_id', concat(d.run_id, '/', s.name, '/', d.task_index),
             'step_name', s.name, 'attempt', d.attempt,
             'result', singularity_workflow.event_payload(
               coalesce(d.output, 'null'), concat(d.run_id, '/', s.name, '/', d.task_index)),
             'duration_ms', round(extract(epoch from p_now - s.started_at) * 1000, 1)))
    into v_some_runs, v_some
    from unnest(p_done) d
    cross join lateral (
      select s.name, t.started_at
      from singularity_workflow.runs r
      join singularity_workflow.workflow_steps s
        on s.workflow_id = r.workflow_id and s.step_no = d.step_no
      join singularity_workflow.tasks t
        on t.run_id = r.run_id and t.step_no = s.step_no and t.task_index = d.task_index
      where r.run_id = d.run_id and r.event_level = 2 offset 0) s;
    v_runs := v_runs || v_some_runs;
    v_events := v_events || v_some;
  end if;

  if p_level = 2 and cardinality(p_missed) > 0 then
    select array_agg(m.run_id), array_agg(case s.status
             when 'skipped' then json_build_object(
               'type', 'task_skipped', 'task_id', s.task_id, 'step_name', s.name, 'attempt', m.attempt,
               'reason', m.error->>'message')
             else json_build_object(
               'type', case s.status when 'waiting' then 'task_retried' else 'task_failed' end,
               'task_id', s.task_id, 'step_name', s.name, 'attempt', m.attempt,
               'error', singularity_workflow.event_payload(s.error, s.task_id),
               'retry_count', s.failures) end)
    into v_some_runs, v_some
    from unnest(p_missed) m
    cross join lateral (
      select s.name, t.status, t.failures, t.error,
             concat(t.run_id, '/', s.name, '/', t.task_index) as task_id
      from singularity_workflow.runs r
      join singularity_workflow.workflow_steps s
        on s.workflow_id = r.workflow_id and s.step_no = m.step_no
      join singularity_workflow.tasks t
        on t.run_id = r.run_id and t.step_no = s.step_no and t.task_index = m.task_index
      where r.run_id = m.run_id and r.event_level = 2
        and (t.status in ('failed', 'skipped') or t.wait_reason = 'retry') offset 0) s;
    v_runs := v_runs || v_some_runs;
    v_events := v_events || v_some;
  end if;

  if p_level = 2 and cardinality(p_ended) > 0 then
    select array_agg(e.run_id order by s.rank), array_agg(case s.status
             when 'completed' then json_build_object(
               'type', 'step_completed', 'step_name', s.name,
               'output', singularity_workflow.event_payload(s.output, concat(e.run_id, '/', s.name)))
             else json_build_object(
               'type', 'step_skipped', 'step_name', s.name, 'reason', s.skip_reason) end
             order by s.rank)
    into v_some_runs, v_some
    from unnest(p_ended) e
    cross join lateral (
      select s.name, coalesce(s.rank, s.step_no) as rank, c.status, c.output, c.skip_reason
      from singularity_workflow.runs r
      join singularity_workflow.workflow_steps s
        on s.workflow_id = r.workflow_id and s.step_no = e.step_no
      join singularity_workflow.step_states c on c.run_id = r.run_id and c.step_no = s.step_no
      where r.run_id = e.run_id and r.event_level = 2
        and c.status in ('completed', 'skipped') offset 0) s;
    v_runs := v_runs || v_some_runs;
    v_events := v_events || v_some;
  end if;

  if p_level = 2 and cardinality(p_started) > 0 then
    select array_agg(e.run_id order by s.rank), array_agg(json_build_object(
             'type', 'step_started', 'step_name', s.name, 'tasks', e.size) order by s.rank)
    into v_some_runs, v_some
    from unnest(p_started) e
    cross join lateral (
      select s.name, coalesce(s.rank, s.step_no) as rank
      from singularity_workflow.runs r
      join singularity_workflow.workflow_steps s
        on s.workflow_id = r.workflow_id and s.step_no = e.step_no
      where r.run_id = e.run_id and r.event_level = 2 offset 0) s;
    v_runs := v_runs || v_some_runs;
    v_events := v_events || v_some;
  end if;

  if p_level = 2 and cardinality(p_taken) > 0 then
    select array_agg(k.run_id), array_agg(json_build_object(
             'type', 'task_started', 'task_id', concat(k.run_id, '/', s.name, '/', k.task_index),
             'step_name', s.name, 'attempt', s.attempt, 'worker_id', s.worker_id))
    into v_some_runs, v_some
    from unnest(p_taken) k
    cross join lateral (
      select s.name, t.attempt, t.worker_id
      from singularity_workflow.runs r
      join singularity_workflow.workflow_steps s
        on s.workflow_id = r.workflow_id and s.step_no = k.step_no
      join singularity_workflow.tasks t
        on t.run_id = r.run_id and t.step_no = s.step_no and t.task_index = k.task_index
      where r.run_id = k.run_id and r.event_level = 2 offset 0) s;
    v_runs := v_runs || v_some_runs;
    v_events := v_events || v_some;
  end if;

  if cardinality(p_ended_runs) > 0 then
    select e.p_runs, e.p_events into v_some_runs, v_some
    from singularity_workflow.ended_events(p_ended_runs) e;
    v_runs := v_runs || v_some_runs;
    v_events := v_events || v_some;
  end if;

  if cardinality(v_events) > 0 then
    return array[singularity_workflow.append_events(v_runs, v_events, p_now)];
  end if;
  return '{}';
end;
$function$;

comment on function singularity_workflow.record_events(
  timestamptz, smallint, uuid[], json, singularity_workflow.task_outcome[], singularity_workflow.task_outcome[],
  singularity_workflow.step_key[], singularity_workflow.ready_step[], singularity_workflow.task_key[],
  uuid[]) is
  'Store the events of one call, in the transaction of the change.';
