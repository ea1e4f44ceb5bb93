-- singularity_workflow.read_message: one message by its id.
--
-- Called by  Store.read_message; public
-- Locks      none
-- Errors     SW407 no such queue
create or replace function singularity_workflow.read_message(p_queue text, p_id bigint)
returns json                  -- {horizon, messages: [[pos, id, sent at, headers, message]]}; no message: it is not there
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_reply json;
begin
  execute format(
    'select json_build_object(
       ''horizon'', pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       ''messages'', (
         select coalesce(json_agg(json_build_array(
           (q.headers->>''pos'')::bigint, q.msg_id, q.enqueued_at, q.headers, q.message)), ''[]'')
         from pgmq.%I q where q.msg_id = $1))',
    singularity_workflow.find_queue(p_queue))
  into v_reply using p_id;
  return v_reply;
end;
$function$;

comment on function singularity_workflow.read_message(text, bigint) is
  'One message of a queue.';
