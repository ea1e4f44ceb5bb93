-- singularity_workflow.send_with_notify: store a message, and tell listeners at the commit.
--
-- Called by  Store.send_with_notify; public
-- Locks      as send_messages
-- Errors     SW403
create or replace function singularity_workflow.send_with_notify(
  p_queue   text,
  p_message jsonb,
  p_headers jsonb default null
)
returns bigint                -- its id
language plpgsql
volatile
set search_path = ''
as $function$
begin
  -- JSON's null is a message; SQL's would be a row without one
  return (singularity_workflow.send_messages(p_queue, array[coalesce(p_message, 'null')], array[p_headers]))[1];
end;
$function$;

comment on function singularity_workflow.send_with_notify(text, jsonb, jsonb) is
  'Store one message in a queue and notify its listeners with the commit.';
