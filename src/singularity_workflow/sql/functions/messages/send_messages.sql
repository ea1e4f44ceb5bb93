-- singularity_workflow.send_messages: store messages, and tell listeners at the commit.
--
-- Called by  send_with_notify, send_batch_with_notify
-- Locks      the instance-wide lock of NOTIFY, from the commit on; as open_queue
-- Errors     SW403
--
-- The notification names the queue and the transaction, not the messages: it is short
-- however many or large they are, and it finds just those.
create or replace function singularity_workflow.send_messages(
  p_queue    text,
  p_messages jsonb[],
  p_headers  jsonb default null    -- of each of them, such as traceparent
)
returns bigint[]              -- their ids, in order
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_queue text := singularity_workflow.open_queue(p_queue);
  v_xid bigint := pg_current_xact_id()::text::bigint;
  v_ids bigint[];
begin
  execute format(
    'with new as (
       insert into pgmq.%I (vt, message, headers)
       select clock_timestamp(), m.message, $2
       from unnest($1) with ordinality m (message, place) order by m.place
       returning msg_id)
     select coalesce(array_agg(n.msg_id order by n.msg_id), ''{}'') from new n', 'q_' || v_queue)
  into v_ids
  using p_messages, coalesce(p_headers, '{}') || jsonb_build_object('xid', v_xid);

  if cardinality(v_ids) > 0 then
    perform pg_notify('singularity_workflow_events', format('sent %s %s', v_xid, lower(p_queue)));
  end if;
  return v_ids;
end;
$function$;

comment on function singularity_workflow.send_messages(text, jsonb[], jsonb) is
  'Store messages in a queue and notify its listeners with the commit.';
