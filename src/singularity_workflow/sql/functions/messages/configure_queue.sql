-- singularity_workflow.configure_queue: say how long a queue keeps its messages.
--
-- Called by  Store.configure_queue; public
-- Locks      the queue's row; as open_queue
-- Errors     SW403
create or replace function singularity_workflow.configure_queue(p_queue text, p_retention interval)
returns void
language plpgsql
volatile
set search_path = ''
as $function$
begin
  if p_retention is null or p_retention <= interval '0' then
    raise exception using errcode = 'SW403', message = 'a retention must be longer than nothing',
      hint = 'Messages stay 7 days by default.';
  end if;
  perform singularity_workflow.open_queue(p_queue);
  update singularity_workflow.message_queues q set retention = p_retention where q.name = lower(p_queue);
end;
$function$;

comment on function singularity_workflow.configure_queue(text, interval) is
  'Set the retention of a queue of messages.';
