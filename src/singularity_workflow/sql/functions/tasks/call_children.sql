-- singularity_workflow.call_children: start the child runs that tasks ask for.
--
-- Called by  miss_tasks, with the runs locked
-- Locks      tasks of those runs; otherwise only new rows
-- Errors     SW401, SW404 of start_runs, SW403 the id is that of another run; the caller
--            isolates them by halving
--
-- The worker of a workflow step only says which run it wants: `called`, with an output
-- of {run, workflow or workflow_id, input, timeout, traceparent, goal}. The task then waits, for nobody's slot, and
-- the end of the child goes on with it (fire_timers). Parent and child change in one
-- commit here, which is safe: nobody else can hold a run that does not exist yet.
create or replace function singularity_workflow.call_children(
  p_missed singularity_workflow.task_outcome[],
  p_now    timestamptz,
  out p_announced bigint,       -- the smallest key announced
  out p_events    bigint[]      -- positions of the events
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
  v_group record;
  v_reply json;
  v_taken text;
begin
  p_events := '{}';
  update singularity_workflow.tasks t set status = 'waiting', wait_reason = 'child'
  from (select m.* from unnest(p_missed) m where m.outcome = 'called'
        order by m.run_id, m.step_no, m.task_index) m
  where t.run_id = m.run_id and t.step_no = m.step_no and t.task_index = m.task_index;

  update singularity_workflow.runs r set turns = r.turns + m.tasks
  from (select m.run_id, count(*) as tasks from unnest(p_missed) m
        where m.outcome = 'called' group by 1) m
  where r.serial and r.run_id = m.run_id;

  for v_group in
    -- the functions of a local run are here, and so are its children's; a child that its
    -- worker knows by name only is for whoever has it
    select case when m.output->>'workflow_id' is not null then r.owner end as owner,
           bool_or(r.owner is not null) as is_local, json_agg(json_build_object(
             'id', m.output->'run', 'workflow_id', m.output->'workflow_id',
             'workflow', m.output->'workflow', 'input', m.output->'input',
             'timeout', m.output->'timeout',
             'priority', r.priority, 'order_key', r.order_key, 'serial', r.serial, 'max_parallel', r.max_parallel,
             'traceparent', coalesce(m.output->>'traceparent', r.traceparent),
             'parent_run_id', m.run_id, 'parent_step_no', m.step_no,
             'parent_task_index', m.task_index, 'parent_attempt', m.attempt,
             'events', (array['none', 'run', 'all'])[r.event_level + 1],
             -- what is not to be told of a run is not to be told of its children
             'goal', case when r.goal->>'redact' = 'true'
               then (coalesce((m.output->'goal')::jsonb, '{}') || '{"redact": true}')::json
               else m.output->'goal' end)) as requests
    from unnest(p_missed) m
    join singularity_workflow.runs r on r.run_id = m.run_id
    where m.outcome = 'called'
    group by 1
  loop
    v_reply := singularity_workflow.start_runs(
      v_group.requests, v_group.owner, p_notify => v_group.is_local and v_group.owner is null);
    p_announced := least(p_announced, (v_reply->>'announced')::bigint);
    p_events := p_events || array(
      select e.value::bigint from json_array_elements_text(coalesce((v_reply->>'events')::json, '[]')) e);

    -- the end of a run that is not this task's child would never wake the task
    select n.value->>1 into v_taken
    from json_array_elements(v_reply->'runs') n where not (n.value->>2)::boolean limit 1;
    if found then
      raise exception using errcode = 'SW403',
        message = format('a child run cannot have the id %s: it is that of another run', v_taken);
    end if;
  end loop;

  -- a parent that was paused meanwhile pauses them too
  insert into singularity_workflow.timers (kind, run_id, due_at)
  select 'children', r.run_id, singularity_workflow.now()
  from singularity_workflow.runs r
  where r.status = 'paused'
    and r.run_id in (select m.run_id from unnest(p_missed) m where m.outcome = 'called');
end;
$function$;

comment on function singularity_workflow.call_children(
  singularity_workflow.task_outcome[], timestamptz) is
  'Start child runs; the tasks that asked for them wait.';
