-- singularity_workflow.prune_messages: remove what was kept for long enough.
--
-- Called by  Store.prune_messages: a duty that any worker may do; public
-- Locks      advisory lock (tried, not waited for); messages
-- Errors     none
--
-- At most p_limit messages of each queue a call, the oldest first: so a queue without
-- old ones costs a look at its first message.
create or replace function singularity_workflow.prune_messages(p_limit integer default 500)
returns bigint                -- how many were removed
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_queue record;
  v_rows bigint;
  v_total bigint := 0;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('singularity_workflow.messages', 0)) then
    return 0;
  end if;
  for v_queue in select q.queue, q.retention from singularity_workflow.message_queues q order by q.name loop
    if to_regclass(format('pgmq.%I', 'q_' || v_queue.queue)) is null then
      -- dropped by pgmq's own functions: the next use makes it again
      delete from singularity_workflow.message_queues q where q.queue = v_queue.queue;
      continue;
    end if;
    execute format(
      'delete from pgmq.%1$I q where q.ctid = any (array(
         select o.ctid from (
           select m.ctid, m.enqueued_at from pgmq.%1$I m order by m.msg_id limit $1) o
         where o.enqueued_at < singularity_workflow.now() - $2))', 'q_' || v_queue.queue)
    using p_limit, v_queue.retention;
    get diagnostics v_rows = row_count;
    v_total := v_total + v_rows;
  end loop;
  return v_total;
end;
$function$;

comment on function singularity_workflow.prune_messages(integer) is
  'Remove messages that are older than the retention of their queue.';
