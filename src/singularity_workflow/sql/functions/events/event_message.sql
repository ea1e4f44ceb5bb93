-- singularity_workflow.event_message: the message of a row of events, as pgmq keeps it.
--
-- Called by  append_events, for text that jsonb may not take
-- Locks      none
-- Errors     none
--
-- What json takes and jsonb does not, a number with a hundred thousand digits, must never
-- fail the change that the event is about. Only events that cannot be kept lose their
-- values.
create or replace function singularity_workflow.event_message(p_message json)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $function$
declare
  v_event json;
  v_events jsonb := '[]';
  v_head jsonb := jsonb_build_object(
    'run_id', p_message->>'run_id', 'workflow_id', p_message->>'workflow_id', 'at', p_message->>'at');
begin
  begin
    return p_message::jsonb;
  exception when data_exception or program_limit_exceeded then
    null;
  end;
  for v_event in select e.value from json_array_elements(p_message->'events') e loop
    begin
      v_events := v_events || v_event::jsonb;
    exception when data_exception or program_limit_exceeded then
      v_events := v_events || (
        select jsonb_object_agg(f.key, f.value::jsonb) || jsonb_build_object('$ref', v_event->>'task_id')
        from json_each(v_event) f
        where f.key not in ('input', 'result', 'output', 'final_result', 'error', 'data'));
    end;
  end loop;
  return v_head || jsonb_build_object('events', v_events);
end;
$function$;

comment on function singularity_workflow.event_message(json) is
  'Events as jsonb; values that jsonb cannot hold are left out.';
