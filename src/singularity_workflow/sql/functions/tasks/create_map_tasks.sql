-- singularity_workflow.create_map_tasks: one task for each element of map steps.
--
-- Called by  create_tasks for the first chunk, fan_out for the others
-- Locks      none but its new rows
-- Errors     none
--
-- A chunk is at most a thousand tasks, or a twentieth of a large map and never more
-- than ten thousand: a fan-out of a hundred thousand in one transaction would hold
-- the run for more than a second. The next chunk is a timer that is due now. Of a map
-- with max_concurrency the tasks beyond its window wait (release_windows).
create or replace function singularity_workflow.create_map_tasks(
  p_steps         singularity_workflow.ready_step[],
  p_from          integer,            -- the first element of this chunk
  p_worker_id     uuid,
  p_slots         integer,
  p_queues        text[],
  p_max_key       bigint,
  p_now           timestamptz,
  out p_handed    singularity_workflow.task_key[],
  out p_announced bigint,
  out p_has_timer boolean             -- a further chunk, or the start delay
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
begin
  with steps as materialized (
    select s.*, s.wait_reason is null and s.queue = any (p_queues)
                and s.k <= coalesce(p_max_key, s.k) as is_served,
           singularity_workflow.map_elements(s.run_id, w.over_step_no, r.input) as elements,
           case when s.wait_reason = 'delay' then s.size
             else least(s.size, p_from + least(10000, greatest(1000, s.size / 20))) end as until,
           -- a serial run has a narrower window than any
           w.max_concurrency is not null and not r.serial as has_window,
           -- elements behind it wait; a delayed step opens its window when it is due; a
           -- later chunk goes by what the first one did, whatever the option says by now
           case when p_from > 0 then o.width
                when r.serial or s.wait_reason = 'delay' then null
                else w.max_concurrency end as width
    from unnest(p_steps) s
    cross join lateral (
      select r.workflow_id, r.input, r.serial from singularity_workflow.runs r
      where r.run_id = s.run_id offset 0) r
    cross join lateral (
      select w.over_step_no, w.max_concurrency from singularity_workflow.workflow_steps w
      where w.workflow_id = r.workflow_id and w.step_no = s.step_no offset 0) w
    left join lateral (
      select 0 as width from singularity_workflow.step_states c
      where p_from > 0 and c.run_id = s.run_id and c.step_no = s.step_no
        and c.window_used is not null offset 0) o on true
  ),
  elements as (
    select s.run_id, s.step_no, (e.place - 1)::int as task_index, e.value as item,
           s.queue, s.k, case when e.place > s.width then 'map_window' else s.wait_reason end as wait_reason,
           s.is_served and (e.place > s.width) is not true as is_served, s.queue_timeout
    from steps s
    cross join lateral json_array_elements(s.elements) with ordinality e (value, place)
    where e.place > p_from and e.place <= s.until
    union all
    select s.run_id, s.step_no, g.i, to_json(g.i), s.queue, s.k,
           case when g.i >= s.width then 'map_window' else s.wait_reason end,
           s.is_served and (g.i >= s.width) is not true, s.queue_timeout
    from steps s cross join lateral generate_series(p_from, s.until - 1) g (i)
    where s.elements is null
  ),
  placed as (
    select e.*, e.is_served and row_number() over (
             order by not e.is_served, e.k, e.run_id, e.step_no, e.task_index) <= p_slots as is_handed
    from elements e
  ),
  planned as materialized (
    select p.*, case when p.wait_reason is null and not p.is_handed
                  then nextval('pgmq.q_swf_tasks_msg_id_seq') end as msg_id
    from placed p
  ),
  new_tasks as (
    insert into singularity_workflow.tasks (
      run_id, step_no, task_index, status, wait_reason, attempt, msg_id, worker_id, item,
      created_at, started_at)
    select p.run_id, p.step_no, p.task_index,
           case when p.wait_reason is not null then 'waiting'
                when p.is_handed then 'started' else 'queued' end,
           p.wait_reason, case when p.is_handed then 1 else 0 end, p.msg_id,
           case when p.is_handed then p_worker_id end, p.item,
           p_now, case when p.is_handed then p_now end
    from planned p
  ),
  new_messages as (
    insert into pgmq.q_swf_tasks (msg_id, vt, message) overriding system value
    select p.msg_id, p_now,
           singularity_workflow.task_message(p.queue, p.k, p.run_id, p.step_no, p.task_index)
    from planned p where p.msg_id is not null
  ),
  queue_timers as (
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, attempt, due_at)
    select 'queue_timeout', p.run_id, p.step_no, p.task_index, 0,
           singularity_workflow.now() + p.queue_timeout
    from planned p where p.msg_id is not null and p.queue_timeout is not null
  ),
  windows as (
    update singularity_workflow.step_states s
    set next_task = case when t.width is null then 0 else least(t.width, t.until) end,
        window_used = case when not t.has_window then null when t.width is null then 0
                           else least(t.width, t.until) end
    from steps t
    where p_from = 0 and (t.wait_reason in ('limit', 'delay') or t.has_window)
      and s.run_id = t.run_id and s.step_no = t.step_no
  ),
  new_timers as (
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, due_at)
    select case s.wait_reason when 'delay' then 'delay' else 'fan_out' end, s.run_id, s.step_no,
           case s.wait_reason when 'delay' then 0 else s.until end,
           singularity_workflow.now() + coalesce(s.start_delay, interval '0')
    from steps s where s.until < s.size or s.wait_reason = 'delay'
  )
  select coalesce((select array_agg((p.run_id, p.step_no, p.task_index)::singularity_workflow.task_key
                                    order by p.k, p.run_id, p.step_no, p.task_index)
                   from planned p where p.is_handed), '{}'),
         (select min(p.k) from planned p where p.msg_id is not null),
         (select bool_or(s.until < s.size or s.wait_reason = 'delay' or s.queue_timeout is not null)
          from steps s)
  into p_handed, p_announced, p_has_timer;
end;
$function$;

comment on function singularity_workflow.create_map_tasks(
  singularity_workflow.ready_step[], integer, uuid, integer, text[], bigint, timestamptz) is
  'Create the next chunk of a map step''s tasks.';
