-- singularity_workflow.read_message: one message by its id.
--
-- Called by  Store.read_message; public
-- Locks      none
-- Errors     SW406 no such queue
create or replace function singularity_workflow.read_message(p_queue text, p_id bigint)
returns json                  -- [id, xid, sent at, message, headers]; null: it is not there
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_queue text;
  v_message json;
begin
  select q.queue into v_queue from singularity_workflow.message_queues q where q.name = lower(p_queue);
  if not found then
    raise exception using errcode = 'SW406', message = format('there is no queue %L', p_queue);
  end if;
  execute format(
    'select json_build_array(q.msg_id, coalesce((q.headers->>''xid'')::bigint, 0), q.enqueued_at, q.message, q.headers)
     from pgmq.%I q where q.msg_id = $1', 'q_' || v_queue)
  into v_message using p_id;
  return v_message;
end;
$function$;

comment on function singularity_workflow.read_message(text, bigint) is
  'One message of a queue.';
