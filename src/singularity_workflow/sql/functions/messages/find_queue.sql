-- singularity_workflow.find_queue: the table of a queue that must exist.
--
-- Called by  read_message, read_messages
-- Locks      none
-- Errors     SW407 there is no such queue
create or replace function singularity_workflow.find_queue(p_name text)
returns text                  -- the name of pgmq's table
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_queue text;
begin
  select q.queue into v_queue from singularity_workflow.message_queues q where q.name = lower(p_name);
  if not found or to_regclass(format('pgmq.%I', 'q_' || v_queue)) is null then
    raise exception using errcode = 'SW407', message = format('there is no queue %L', p_name),
      hint = 'It is made by the first message, or by listening to it.';
  end if;
  return 'q_' || v_queue;
end;
$function$;

comment on function singularity_workflow.find_queue(text) is
  'The name of pgmq''s table of a queue of messages.';
