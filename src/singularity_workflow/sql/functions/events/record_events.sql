-- singularity_workflow.record_events: store what a call has done, in dependency order.
--
-- Called by  start_runs, report_tasks, claim_tasks, open_steps; only if some run of theirs
--            has events
-- Locks      none but its new rows
-- Errors     none
--
-- The caller says which rows it has changed; what became of them is read there. Of one
-- run come first its start, then what its tasks brought, the steps that ended and those
-- that began, each after what it depends on; its end is the last.
--
-- Of a run whose goal says `redact` no value is told, but where it is.
--
-- What chains do at every step is one statement, in which a task is told with its step.
-- JSON is put together as text, since names of steps are identifiers and ids are ids: the
-- set-up of json_build_object costs more than what it does.
create or replace function singularity_workflow.record_events(
  p_now        timestamptz,
  p_level      smallint,                                         -- the highest of the runs
  p_new        uuid[] default null,                              -- runs
  p_emitted    json default null,                                -- a batch of report_tasks
  p_done       singularity_workflow.task_outcome[] default null, -- completed
  p_missed     singularity_workflow.task_outcome[] default null, -- did not
  p_ended      singularity_workflow.step_key[] default null,     -- but for the single ones of p_done
  p_begun      singularity_workflow.ready_step[] default null,   -- single, their task is with p_worker_id
  p_started    singularity_workflow.ready_step[] default null,   -- other ones
  p_taken      singularity_workflow.task_key[] default null,     -- other tasks
  p_ended_runs uuid[] default null,
  p_worker_id  uuid default null
)
returns bigint[]              -- positions of the events
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_runs uuid[] := '{}';
  v_events text[] := '{}';
  v_some_runs uuid[];
  v_some text[];
  v_begun_runs uuid[];
  v_begun text[];
  v_more_runs uuid[];
  v_more text[];
begin
  if cardinality(p_new) > 0 then
    select array_agg(r.run_id order by n.place), array_agg(concat(
             '{"type":"workflow_started","input":', r.input,
             ',"parent_run_id":"' || r.parent_run_id || '"',
             ',"origin_run_id":"' || r.origin_run_id || '","origin":"' || r.origin_kind || '"', '}',
             ',' || r.goal)
             order by n.place)
    into v_runs, v_events
    from unnest(p_new) with ordinality n (run_id, place)
    cross join lateral (
      select r.run_id, r.parent_run_id, r.origin_run_id, r.origin_kind,
             case when octet_length(r.input::text) < case when r.goal->>'redact' = 'true' then 0 else 8000 end
               then r.input::text
               else singularity_workflow.event_reference(r.input, r.run_id::text) end as input,
             case when r.goal->>'goal_hash' is not null
               then singularity_workflow.goal_event('goal_started', r.run_id, r.input, r.goal) end as goal
      from singularity_workflow.runs r
      where r.run_id = n.run_id and r.event_level > 0 offset 0) r;
  end if;

  if p_emitted is not null then
    select v_runs || e.p_runs, v_events || e.p_events into v_runs, v_events
    from singularity_workflow.emitted_events(p_emitted) e;
  end if;

  if p_level = 2 then
    if cardinality(p_done) > 0 or cardinality(p_begun) > 0 then
      select array_agg(i.run_id order by s.rank) filter (where i.is_done),
             array_agg(i.run_id order by s.rank) filter (where not i.is_done),
             array_agg(concat(
               '{"type":"task_completed","task_id":"', s.task_id, '","step_name":"', s.name,
               '","attempt":', i.attempt, ',"result":', v.output, ',"duration_ms":',
               coalesce(round(extract(epoch from p_now - t.started_at) * 1000, 1), 0),
               case when i.kind = 'single' then
                 concat('},{"type":"step_completed","step_name":"', s.name, '","output":', v.output) end, '}')
               order by s.rank) filter (where i.is_done),
             array_agg(concat(
               '{"type":"step_started","step_name":"', s.name, '","tasks":1},{"type":"task_started","task_id":"',
               s.task_id, '","step_name":"', s.name, '","attempt":1,"worker_id":"', p_worker_id, '"}')
               order by s.rank) filter (where not i.is_done)
      into v_some_runs, v_begun_runs, v_some, v_begun
      from (
        select true as is_done, d.run_id, d.step_no, d.task_index, d.attempt, d.output, d.kind
        from unnest(p_done) d
        union all
        select false, b.run_id, b.step_no, 0, null, null, null from unnest(p_begun) b) i
      cross join lateral (
        select s.name, coalesce(s.rank, s.step_no) as rank,
               concat(i.run_id, '/', s.name, '/', i.task_index) as task_id,
               case when r.goal->>'redact' = 'true' then 0 else 8000 end as room
        from singularity_workflow.runs r
        join singularity_workflow.workflow_steps s
          on s.workflow_id = r.workflow_id and s.step_no = i.step_no
        where r.run_id = i.run_id and r.event_level = 2 offset 0) s
      left join lateral (
        select t.started_at from singularity_workflow.tasks t
        where t.run_id = i.run_id and t.step_no = i.step_no and t.task_index = i.task_index
        offset 0) t on i.is_done
      cross join lateral (
        select case when octet_length(i.output::text) < s.room then i.output::text
                 else singularity_workflow.event_reference(i.output, s.task_id) end as output) v;
      v_runs := v_runs || v_some_runs;
      v_events := v_events || v_some;
    end if;

    if cardinality(p_missed) > 0 or cardinality(p_ended) > 0
       or cardinality(p_started) > 0 or cardinality(p_taken) > 0 then
      select array_agg(i.run_id order by i.section, s.rank) filter (where i.section < 3),
             array_agg(i.run_id order by i.section, s.rank) filter (where i.section >= 3),
             array_agg(v.event order by i.section, s.rank) filter (where i.section < 3),
             array_agg(v.event order by i.section, s.rank) filter (where i.section >= 3)
      into v_some_runs, v_more_runs, v_some, v_more
      from (
        select 1 as section, m.run_id, m.step_no, m.task_index, m.attempt from unnest(p_missed) m
        union all
        select 2, e.run_id, e.step_no, null, null from unnest(p_ended) e
        union all
        select 3, b.run_id, b.step_no, null, b.size from unnest(p_started) b
        union all
        select 4, k.run_id, k.step_no, k.task_index, null from unnest(p_taken) k) i
      cross join lateral (
        select s.name, coalesce(s.rank, s.step_no) as rank,
               concat(i.run_id, '/', s.name, '/', i.task_index) as task_id,
               case when r.goal->>'redact' = 'true' then 0 else 8000 end as room
        from singularity_workflow.runs r
        join singularity_workflow.workflow_steps s
          on s.workflow_id = r.workflow_id and s.step_no = i.step_no
        where r.run_id = i.run_id and r.event_level = 2 offset 0) s
      left join lateral (
        select t.status::text, t.attempt, t.worker_id, t.error, t.failures, t.wait_reason::text,
               null::json as output, null as skip_reason
        from singularity_workflow.tasks t
        where i.section in (1, 4)
          and t.run_id = i.run_id and t.step_no = i.step_no and t.task_index = i.task_index
        union all
        select c.status, null, null, null, null, null, c.output, c.skip_reason
        from singularity_workflow.step_states c
        where i.section = 2 and c.run_id = i.run_id and c.step_no = i.step_no) t on true
      cross join lateral (
        select case i.section
          when 1 then case t.status
            when 'skipped' then concat(
              '{"type":"task_skipped","task_id":"', s.task_id, '","step_name":"', s.name,
              '","attempt":', i.attempt, ',"reason":', case when octet_length((t.error->'message')::text) < s.room then (t.error->'message')::text
                else singularity_workflow.event_reference(t.error->'message', s.task_id) end, '}')
            else concat(
              '{"type":"', case t.status when 'waiting' then 'task_retried' else 'task_failed' end,
              '","task_id":"', s.task_id, '","step_name":"', s.name, '","attempt":', i.attempt,
              ',"error":', case when octet_length(t.error::text) < s.room then t.error::text
                else singularity_workflow.event_reference(t.error, s.task_id) end,
              ',"retry_count":', t.failures, '}') end
          when 2 then case t.status
            when 'completed' then concat(
              '{"type":"step_completed","step_name":"', s.name, '","output":',
              case when octet_length(t.output::text) < s.room then t.output::text
                else singularity_workflow.event_reference(t.output, concat(i.run_id, '/', s.name)) end, '}')
            else concat(
              '{"type":"step_skipped","step_name":"', s.name, '","reason":',
              case when s.room > 0 or t.skip_reason in ('condition unmet', 'dependency skipped', 'handler failed')
                then to_json(t.skip_reason)::text
                -- in the words of a function
                else singularity_workflow.event_reference(
                  to_json(t.skip_reason), concat(i.run_id, '/', s.name)) end, '}') end
          when 3 then concat('{"type":"step_started","step_name":"', s.name, '","tasks":', i.attempt, '}')
          else concat(
            '{"type":"task_started","task_id":"', s.task_id, '","step_name":"', s.name,
            '","attempt":', t.attempt, ',"worker_id":"', t.worker_id, '"}') end as event) v
      -- other outcomes are no change that anybody is told of
      where case i.section
        when 1 then t.status in ('failed', 'skipped') or t.wait_reason = 'retry'
        when 2 then t.status in ('completed', 'skipped') else true end;
      v_runs := v_runs || v_some_runs;
      v_events := v_events || v_some;
    end if;
    v_runs := v_runs || v_begun_runs || v_more_runs;
    v_events := v_events || v_begun || v_more;
  end if;

  if cardinality(p_ended_runs) > 0 then
    select v_runs || e.p_runs, v_events || e.p_events into v_runs, v_events
    from singularity_workflow.ended_events(p_ended_runs) e;
  end if;

  if cardinality(v_events) > 0 then
    return array[singularity_workflow.append_events(v_runs, v_events, p_now)];
  end if;
  return '{}';
end;
$function$;

comment on function singularity_workflow.record_events(
  timestamptz, smallint, uuid[], json, singularity_workflow.task_outcome[], singularity_workflow.task_outcome[],
  singularity_workflow.step_key[], singularity_workflow.ready_step[], singularity_workflow.ready_step[],
  singularity_workflow.task_key[], uuid[], uuid) is
  'Store the events of one call, in the transaction of the change.';
