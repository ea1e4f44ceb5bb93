-- singularity_workflow.prune_messages: remove what was kept for long enough.
--
-- Called by  Store.prune_messages: a duty that any worker may do; public
-- Locks      advisory lock (tried, not waited for); messages, those that others hold are
--            passed over
-- Errors     none
--
-- Looks at the oldest p_limit messages of each queue; a queue without old ones costs a
-- look at its first. A queue that the caller may not delete from is left to others: it
-- must not keep the rest.
create or replace function singularity_workflow.prune_messages(p_limit integer default 500)
returns json                  -- {removed, has_more}
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_queue record;
  v_table regclass;
  v_rows bigint;
  v_total bigint := 0;
  v_has_more boolean := false;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('singularity_workflow.messages', 0)) then
    return json_build_object('removed', 0, 'has_more', false);
  end if;
  for v_queue in select q.name, q.queue, q.retention from singularity_workflow.message_queues q order by q.name loop
    v_table := to_regclass(format('pgmq.%I', 'q_' || v_queue.queue));
    if v_table is null then
      continue;               -- dropped by pgmq's own function: the next use makes it again
    end if;
    continue when not (has_table_privilege(v_table, 'select')
      and has_table_privilege(v_table, 'update') and has_table_privilege(v_table, 'delete'));
    execute format(
      'delete from pgmq.%1$I q where q.ctid = any (array(
         select m.ctid from pgmq.%1$I m
         where m.msg_id = any (array(
             select o.msg_id from (
               select f.msg_id, f.enqueued_at from pgmq.%1$I f
               where (f.headers->>''pos'')::bigint >= 0
               order by (f.headers->>''pos'')::bigint, f.msg_id limit $1) o
             where o.enqueued_at < singularity_workflow.now() - $2))
         for update skip locked))', 'q_' || v_queue.queue)
    using p_limit, v_queue.retention;
    get diagnostics v_rows = row_count;
    v_total := v_total + v_rows;
    v_has_more := v_has_more or v_rows >= p_limit;
  end loop;
  return json_build_object('removed', v_total, 'has_more', v_has_more);
end;
$function$;

comment on function singularity_workflow.prune_messages(integer) is
  'Remove messages that are older than the retention of their queue.';
