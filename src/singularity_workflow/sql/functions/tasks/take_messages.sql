-- singularity_workflow.take_messages: delete the messages with the smallest keys.
--
-- Called by  take_tasks
-- Locks      messages (SKIP LOCKED)
-- Errors     none
--
-- The delete goes by ctid over an array: as a join, a plan cached while the queue was
-- empty once took 3,000 rows for a limit of 100. Sorting is off, so that the order can
-- only come from the index on (queue, k). p_low spares the scan the dead entries that
-- an old snapshot somewhere on the server keeps in the index.
create or replace function singularity_workflow.take_messages(
  p_queues text[], p_low bigint, p_n integer
)
returns table (
  msg_id bigint, message jsonb, run_id uuid, step_no smallint, task_index integer, k bigint
)
language plpgsql
volatile
rows 100
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
as $function$
#variable_conflict use_column
begin
  return query
  delete from pgmq.q_swf_tasks q
  where q.ctid = any (array(
    select m.ctid
    from unnest(p_queues) s (queue)
    cross join lateral (
      select c.ctid, (c.message->>'k')::bigint as k
      from pgmq.q_swf_tasks c
      where c.message->>'queue' = s.queue and (c.message->>'k')::bigint >= p_low
      order by (c.message->>'k')::bigint
      limit p_n
      for update skip locked) m
    order by m.k
    limit p_n))
  returning q.msg_id, q.message, (q.message->>'run')::uuid, (q.message->>'step')::smallint,
            (q.message->>'task')::integer, (q.message->>'k')::bigint;
end;
$function$;

comment on function singularity_workflow.take_messages(text[], bigint, integer) is
  'Delete and return the n most urgent messages of the queues.';
