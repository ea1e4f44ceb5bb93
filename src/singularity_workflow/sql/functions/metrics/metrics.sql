-- singularity_workflow.metrics: how much waits and how much is under way, at bounded cost.
--
-- Called by  Store.metrics; public
-- Locks      none
-- Errors     none
--
-- Every count stops at a limit, and says so: is_capped means at least so many. Counting
-- to the end would take seconds on a server that is behind, which is when somebody looks.
-- Open runs are counted from the newest on, along their index; tasks along the started
-- steps of those runs, from the last on, because that is where a map's open tasks are.
-- The age is that of the oldest among the counted messages. Local queues count as one,
-- and tasks that were lost before with the others of their queue.
create or replace function singularity_workflow.metrics(p_limit integer default 10000)
returns json  -- {queues: [{queue, depth, oldest_seconds, is_capped}, …], runs, tasks: {status: count},
              --  are_runs_capped, are_tasks_capped}
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  v_names text[];
  v_each integer;
  v_queues json;
  v_open uuid[];
  v_runs json;
  v_tasks json;
  v_task_count integer;
begin
  -- from name to name along the index, not from message to message
  with recursive names as (
    (select q.message->>'queue' as queue from pgmq.q_swf_tasks q
     order by q.message->>'queue', (q.message->>'k')::bigint limit 1)
    union all
    select (select q.message->>'queue' from pgmq.q_swf_tasks q
            where q.message->>'queue' > n.queue
            order by q.message->>'queue', (q.message->>'k')::bigint limit 1)
    from names n where n.queue is not null
  )
  select array(select n.queue from names n where n.queue is not null limit 1000) into v_names;
  v_each := least(p_limit, greatest(100, p_limit * 3 / greatest(1, cardinality(v_names))));

  select coalesce(json_agg(json_build_object(
           'queue', f.queue, 'depth', f.depth, 'is_capped', f.is_capped,
           'oldest_seconds', greatest(0, extract(epoch from clock_timestamp() - f.oldest)))
           order by f.queue), '[]')
  into v_queues
  from (
    select case when n.name like 'local:%' then 'local' else rtrim(n.name, '!') end as queue,
           sum(c.depth) as depth, min(c.oldest) as oldest, bool_or(c.depth = v_each) as is_capped
    from unnest(v_names) n (name)
    cross join lateral (
      select count(*) as depth, min(m.enqueued_at) as oldest
      from (select q.enqueued_at from pgmq.q_swf_tasks q
            where q.message->>'queue' = n.name
            order by (q.message->>'k')::bigint limit v_each) m) c
    where c.depth > 0
    group by 1) f;

  with open_runs as materialized (
    select r.run_id, r.status from singularity_workflow.runs r
    where r.status in ('pending', 'started', 'paused')
    order by r.run_id desc limit p_limit
  )
  select (select coalesce(json_object_agg(c.status, c.runs), '{}')
          from (select o.status, count(*) as runs from open_runs o group by o.status) c),
         coalesce(array_agg(o.run_id), '{}')
  into v_runs, v_open
  from open_runs o;

  with found as materialized (
    select t.status
    from unnest(v_open) o (run_id)
    cross join lateral (
      select s.step_no from singularity_workflow.step_states s
      where s.run_id = o.run_id and s.status = 'started' offset 0) s
    cross join lateral (
      select t.status from singularity_workflow.tasks t
      where t.run_id = o.run_id and t.step_no = s.step_no
      order by t.task_index desc limit p_limit) t
    limit p_limit
  )
  select (select coalesce(json_object_agg(c.status, c.tasks), '{}')
          from (select f.status, count(*) as tasks from found f
                where f.status in ('waiting', 'queued', 'started') group by f.status) c),
         count(*)
  into v_tasks, v_task_count
  from found f;

  return json_build_object(
    'queues', v_queues,
    'runs', v_runs,
    'tasks', v_tasks,
    'are_runs_capped', cardinality(v_open) >= p_limit,
    'are_tasks_capped', v_task_count >= p_limit or cardinality(v_open) >= p_limit);
end;
$function$;

comment on function singularity_workflow.metrics(integer) is
  'Depths and ages of queues, and counts of open runs and tasks; each up to a limit.';
