-- singularity_workflow.send_batch_with_notify: store messages, and tell listeners once.
--
-- Called by  Store.send_batch_with_notify; public
-- Locks      as send_messages
-- Errors     SW403
create or replace function singularity_workflow.send_batch_with_notify(
  p_queue    text,
  p_messages jsonb,                -- an array
  p_headers  jsonb default null
)
returns bigint[]              -- their ids, in order
language plpgsql
volatile
set search_path = ''
as $function$
begin
  if jsonb_typeof(p_messages) is distinct from 'array' then
    raise exception using errcode = 'SW403', message = 'the messages must be a JSON array';
  end if;
  return singularity_workflow.send_messages(
    p_queue, array(select m.value from jsonb_array_elements(p_messages) with ordinality m order by m.ordinality),
    array_fill(p_headers, array[jsonb_array_length(p_messages)]));
end;
$function$;

comment on function singularity_workflow.send_batch_with_notify(text, jsonb, jsonb) is
  'Store an array of messages in a queue and notify its listeners once, with the commit.';
