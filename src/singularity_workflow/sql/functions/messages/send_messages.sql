-- singularity_workflow.send_messages: store messages, and tell listeners at the commit.
--
-- Called by  send_with_notify, send_batch_with_notify, send_each
-- Locks      the instance-wide lock of NOTIFY, from the commit on; as open_queue
-- Errors     SW403
--
-- `pos` is the place of the messages among others: no transaction below it was running
-- that this one knew to be over, and no later one can be below it. So the order of
-- (pos, msg_id) is that of cause and effect, and what is below the oldest running
-- transaction is complete (docs/decisions/0014-positions.md). The notification names the
-- queue and the place, not the messages: it is short however many or large they are.
create or replace function singularity_workflow.send_messages(
  p_queue    text,
  p_messages jsonb[],
  p_headers  jsonb[] default null  -- beside each of them, such as traceparent
)
returns bigint[]              -- their ids, in order
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_queue text := singularity_workflow.open_queue(p_queue);
  v_ids bigint[];
  v_pos bigint;
begin
  if cardinality(p_messages) = 0 then
    return '{}';
  end if;
  if exists (select 1 from unnest(p_headers) h (value) where jsonb_typeof(h.value) not in ('object', 'null')) then
    raise exception using errcode = 'SW403', message = 'headers must be a JSON object';
  end if;
  perform pg_current_xact_id();    -- the transaction is numbered before its messages are
  execute format(
    'with place as materialized (
       select greatest(pg_current_xact_id()::text::bigint,
                       pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as pos),
     new as (
       insert into pgmq.%I (vt, message, headers)
       select clock_timestamp(), m.message,
              case when jsonb_typeof(m.headers) = ''object'' then m.headers else ''{}'' end
              || jsonb_build_object(''pos'', p.pos)
       from unnest($1, $2) with ordinality m (message, headers, place) cross join place p order by m.place
       returning msg_id)
     select array(select n.msg_id from new n order by n.msg_id), (select p.pos from place p)', 'q_' || v_queue)
  into v_ids, v_pos
  using p_messages, coalesce(p_headers, '{}');

  perform pg_notify('singularity_workflow_events', format('sent %s %s', v_queue, v_pos));
  return v_ids;
end;
$function$;

comment on function singularity_workflow.send_messages(text, jsonb[], jsonb[]) is
  'Store messages in a queue and notify its listeners with the commit.';
