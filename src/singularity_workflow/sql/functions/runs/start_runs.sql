-- singularity_workflow.start_runs: begin runs, all of them or none.
--
-- Called by  Store.start_runs, start_run, call_children; public
-- Locks      idempotency keys in order of key; otherwise only its new rows
-- Errors     SW401 input without the elements of a root map, SW402 key used with another
--            input, SW403 run id that is not a version 7 uuid, SW404 unknown workflow, SW410
--
-- Each request is an object: id, workflow_id or workflow (by name: the latest version
-- registered), input, and if wanted priority, serial, max_parallel, max_attempts, timeout (seconds),
-- tags, metadata, key, events (all, run or none), traceparent; of a goal's run goal ({goal_hash, parent, depth, redact}); of a child run parent_run_id and the like, and its order_key. An id that exists already is that run: a repeated request changes nothing.
-- With p_owner the runs are local to that worker, and its first tasks are handed over
-- in the same commit.
create or replace function singularity_workflow.start_runs(
  p_requests json,
  p_owner    uuid default null,
  p_slots    integer default 0,
  p_notify   boolean default false   -- tell workers, inside this transaction
)
returns json          -- {runs: [[asked id, run id, is_new], …]} and what task_reply gives
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
  v_has_keys boolean;
  v_bad text;
  v_bad_events text;
  v_level smallint;
  v_told singularity_workflow.step_key[];
  v_events bigint[];
  v_unknown text;
  v_size integer;
  v_new uuid[];
  v_has_root_maps boolean;
  v_has_deadlines boolean;
  v_has_tags boolean;
  v_has_news boolean := false;          -- for parents and compensations
  v_ready singularity_workflow.ready_step[];
  v_empty singularity_workflow.step_key[];
  v_conditional singularity_workflow.step_key[];
  v_serial uuid[];
  v_advanced record;
  v_tasks record;
  v_turns record;
  v_handed singularity_workflow.task_key[];
  v_announced bigint;
  v_ended uuid[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;

  with requests as (
    select x.id, x.workflow, x.workflow_id as asked, x.key, x.events, w.workflow_id, w.has_root_maps
    from json_to_recordset(p_requests) x (
      id uuid, workflow_id int, workflow text, key text, events text)
    left join singularity_workflow.workflows w
      on w.workflow_id = coalesce(x.workflow_id, singularity_workflow.latest_version(x.workflow))
  )
  select coalesce(bool_or(r.key is not null), false),
         (array_agg(coalesce(r.id::text, 'null'))
            filter (where r.id is null or substr(r.id::text, 15, 1) <> '7'))[1],
         min(coalesce(r.workflow, r.asked::text, 'null')) filter (where r.workflow_id is null),
         bool_or(r.has_root_maps), count(*),
         min(r.events) filter (where r.events not in ('all', 'run', 'none'))
  into v_has_keys, v_bad, v_unknown, v_has_root_maps, v_size, v_bad_events
  from requests r;

  if v_bad is not null then
    raise exception using errcode = 'SW403',
      message = format('run id %s is not a version 7 uuid', v_bad),
      hint = 'Run ids carry their time: make them with new_run_id(), or leave them out.';
  elsif v_unknown is not null then
    raise exception using errcode = 'SW404',
      message = format('no workflow %L is registered', v_unknown),
      hint = 'Register it first: register_workflow, or engine.register(workflow).';
  elsif v_bad_events is not null then
    raise exception using errcode = 'SW403',
      message = format('events must be all, run or none, got %L', v_bad_events);
  end if;

  if p_owner is null then
    p_slots := 0;       -- nobody to hand anything to
  end if;
  if v_has_keys then
    p_requests := singularity_workflow.claim_idempotency_keys(p_requests);
  end if;

  with requests as (
    select x.id, w.workflow_id, w.step_count, x.input, coalesce(x.priority, (w.options->>'priority')::int, 0) as priority,
           coalesce(x.serial, false) as serial, coalesce(x.max_parallel, 1) as max_parallel, x.max_attempts,
           v_now + coalesce(x.timeout, (w.options->>'deadline')::float8) * interval '1 second' as deadline_at,
           coalesce(x.tags, '{}') as tags, x.key, x.metadata, x.goal, x.order_key, x.traceparent,
           x.parent_run_id, x.parent_step_no, x.parent_task_index, x.parent_attempt,
           case x.events when 'none' then 0 when 'run' then 1 else 2 end as event_level
    from json_to_recordset(p_requests) x (
      id uuid, workflow_id int, workflow text, input json, priority int, serial boolean,
      max_parallel int, max_attempts int, timeout float8, tags text[], key text, metadata json, goal json, order_key bigint,
      traceparent text, events text,
      parent_run_id uuid, parent_step_no smallint, parent_task_index int, parent_attempt int)
    join singularity_workflow.workflows w
      on w.workflow_id = coalesce(x.workflow_id, singularity_workflow.latest_version(x.workflow))
  ),
  new_runs as (
    insert into singularity_workflow.runs (
      run_id, workflow_id, status, remaining_steps, order_key, priority, owner, serial,
      max_parallel, max_attempts, deadline_at, tags, idempotency_key, input, created_at, started_at, metadata, goal,
      traceparent, parent_run_id, parent_step_no, parent_task_index, parent_attempt, event_level)
    select r.id, r.workflow_id, 'started',
           r.step_count,
           coalesce(r.order_key, floor(extract(epoch from v_now) * 1000)::bigint - r.priority * 600000::bigint),
           r.priority,
           p_owner, r.serial, r.max_parallel, r.max_attempts, r.deadline_at, r.tags, r.key, r.input, v_now, v_now, r.metadata, r.goal,
           r.traceparent, r.parent_run_id, r.parent_step_no, r.parent_task_index, r.parent_attempt,
           r.event_level
    from requests r
    order by r.id
    on conflict (run_id) do nothing
    returning run_id, deadline_at, tags, event_level
  ),
  deadlines as (
    insert into singularity_workflow.timers (kind, run_id, due_at)
    select 'deadline', n.run_id, singularity_workflow.now() + (n.deadline_at - v_now)
    from new_runs n where n.deadline_at is not null
  )
  select coalesce(array_agg(n.run_id), '{}'), coalesce(bool_or(n.deadline_at is not null), false),
         coalesce(bool_or(n.tags <> '{}'), false), max(n.event_level)
  into v_new, v_has_deadlines, v_has_tags, v_level
  from new_runs n;

  if cardinality(v_new) < v_size and exists (
       select from json_to_recordset(p_requests) x (id uuid)
       where not exists (select from singularity_workflow.runs r where r.run_id = x.id)) then
    raise exception using errcode = 'SW404',
      message = 'a workflow was deleted while a run of it was being started';
  end if;

  if v_has_tags then
    insert into singularity_workflow.run_tags (tag, run_id)
    select distinct t.tag, r.run_id
    from unnest(v_new) n (run_id)
    cross join lateral (
      select r.run_id, r.tags from singularity_workflow.runs r where r.run_id = n.run_id offset 0) r
    cross join unnest(r.tags) t (tag);
  end if;

  if v_has_root_maps then
    perform singularity_workflow.check_map_inputs(v_new);
  end if;

  with sized as materialized (
    select r.run_id, w.step_no, w.dependency_count, w.kind, w.start_delay,
           case when w.dependency_count > 0 or w.condition is not null then null
                when w.kind = 'single' then 1
                else coalesce(json_array_length(singularity_workflow.map_elements(r.run_id, null, r.input)),
                              w.initial_tasks) end as size,
           coalesce('local:' || p_owner::text, w.queue) as queue,
           r.order_key - w.priority * 600000::bigint as k, r.serial,
           case when w.start_delay is not null then 'delay' when r.serial then 'limit' end as wait_reason,
           w.queue_timeout, w.dependency_count = 0 and w.condition is not null as is_conditional
    from unnest(v_new) n (run_id)
    cross join lateral (
      select r.run_id, r.workflow_id, r.order_key, r.serial,
             case when v_has_root_maps then r.input end as input
      from singularity_workflow.runs r where r.run_id = n.run_id offset 0) r
    cross join lateral (
      select w.step_no, w.dependency_count, w.kind, w.start_delay, w.initial_tasks, w.queue, w.priority,
             w.queue_timeout, w.condition
      from singularity_workflow.workflow_steps w where w.workflow_id = r.workflow_id offset 0) w
  ),
  new_states as (
    insert into singularity_workflow.step_states (
      run_id, step_no, status, remaining_deps, initial_tasks, remaining_tasks, output,
      created_at, started_at, ended_at)
    select s.run_id, s.step_no,
           case when s.size is null then 'created' when s.size = 0 then 'completed' else 'started' end,
           s.dependency_count, s.size, s.size, case when s.size = 0 then '[]'::json end,
           v_now, case when s.size is not null then v_now end, case when s.size = 0 then v_now end
    from sized s
  )
  select coalesce(array_agg((s.run_id, s.step_no, s.kind, s.size, s.queue, s.k, s.wait_reason,
                             s.start_delay, s.queue_timeout)::singularity_workflow.ready_step
                            order by s.k, s.run_id, s.step_no) filter (where s.size > 0), '{}'),
         array_agg((s.run_id, s.step_no)::singularity_workflow.step_key) filter (where s.size = 0),
         array_agg(distinct s.run_id) filter (where s.serial),
         array_agg((s.run_id, s.step_no)::singularity_workflow.step_key) filter (where s.is_conditional)
  into v_ready, v_empty, v_serial, v_conditional
  from sized s where s.size is not null or s.is_conditional;

  if v_empty is not null or v_conditional is not null then
    v_advanced := singularity_workflow.advance_steps(
      coalesce(v_empty, '{}'), v_now, coalesce(v_conditional, '{}'));
    v_ready := v_ready || v_advanced.p_started;
    v_told := v_empty || v_advanced.p_completed;
    v_ended := singularity_workflow.count_down_runs(v_empty || v_advanced.p_completed, v_now);
    v_has_news := singularity_workflow.have_parents(v_ended) or v_advanced.p_failed_runs is not null;
    if v_advanced.p_failed_runs is not null then
      v_ended := v_ended || v_advanced.p_failed_runs;
      v_ready := array(select s from unnest(v_ready) s where s.run_id <> all (v_advanced.p_failed_runs));
    end if;
  end if;

  v_tasks := singularity_workflow.create_tasks(
    v_ready, p_owner, p_slots, array['local:' || p_owner::text], null, v_now);
  v_handed := v_tasks.p_handed;
  v_announced := v_tasks.p_announced;

  if v_serial is not null then
    v_turns := singularity_workflow.release_serial(
      v_serial, p_owner, p_slots - cardinality(v_handed), array['local:' || p_owner::text],
      null, v_now);
    v_handed := v_handed || v_turns.p_handed;
    v_announced := least(v_announced, v_turns.p_announced);
  end if;

  if v_level > 0 then
    v_events := singularity_workflow.record_events(
      v_now, v_level, v_new, p_ended => v_told, p_begun => v_tasks.p_begun,
      p_started => v_tasks.p_others, p_taken => v_handed[cardinality(v_tasks.p_begun) + 1:],
      p_ended_runs => v_ended, p_worker_id => p_owner);
  end if;
  if p_notify then
    perform singularity_workflow.send_hints(v_announced, '{}', v_events);
  end if;

  return json_build_object(
    'runs', (select json_agg(json_build_array(x.asked, x.id, x.id in (select unnest(v_new))))
             from (select r.id, coalesce(r.asked, r.id) as asked
                   from json_to_recordset(p_requests) r (id uuid, asked uuid)) x),
    'announced', v_announced,
    'work', case when cardinality(v_handed) > 0
              then singularity_workflow.task_reply(v_handed, v_new) end,
    'ended', case when cardinality(v_ended) > 0
               then singularity_workflow.ended_reply(v_ended, v_ended) end,
    'timers', case when v_tasks.p_has_timer or v_has_deadlines or v_has_news
                then singularity_workflow.next_timer_in() end,
    'events', v_events);
end;
$function$;

comment on function singularity_workflow.start_runs(json, uuid, integer, boolean) is
  'Start runs; with an owner, hand its first tasks over in the same commit.';
