-- singularity_workflow.read_messages: messages of a queue, in the order of a position.
--
-- Called by  Store.read_messages; public
-- Locks      none
-- Errors     SW406 no such queue
--
-- A position is a transaction and an id. The horizon is the first transaction that may
-- still commit messages: what is before it is complete, and whoever goes on from there
-- misses nothing. Messages that were sent by pgmq's own functions have no transaction,
-- and are not seen here.
create or replace function singularity_workflow.read_messages(
  p_queue text,
  p_xid   bigint default 0,        -- after this position
  p_id    bigint default 0,
  p_limit integer default 100,
  p_sent  bigint[] default null    -- instead: those of just these transactions
)
returns json                  -- {horizon, messages: [[id, xid, sent at, message, headers], …]}
language plpgsql
volatile                      -- the snapshot of the horizon must not be newer than that of the rows
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $function$
declare
  v_queue text;
  v_reply json;
begin
  select q.queue into v_queue from singularity_workflow.message_queues q where q.name = lower(p_queue);
  if not found then
    raise exception using errcode = 'SW406', message = format('there is no queue %L', p_queue),
      hint = 'It is made by the first message, or by listening to it.';
  end if;

  execute format(
    'select json_build_object(
       ''horizon'', pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       ''messages'', (
         select coalesce(json_agg(json_build_array(
           m.msg_id, m.xid, m.enqueued_at, m.message, m.headers) order by m.xid, m.msg_id), ''[]'')
         from (
           select q.msg_id, (q.headers->>''xid'')::bigint as xid, q.enqueued_at, q.message, q.headers
           from pgmq.%1$I q
           where %2$s
           order by (q.headers->>''xid'')::bigint, q.msg_id
           limit $3) m))',
    'q_' || v_queue,
    case when p_sent is null
      then '((q.headers->>''xid'')::bigint, q.msg_id) > ($1, $2)'
      else '(q.headers->>''xid'')::bigint = any ($4)' end)
  into v_reply using p_xid, p_id, p_limit, p_sent;
  return v_reply;
end;
$function$;

comment on function singularity_workflow.read_messages(text, bigint, bigint, integer, bigint[]) is
  'Messages after a position, and up to where positions are complete.';
