-- singularity_workflow.event_reference: what stands in an event for a large value.
--
-- Called by  record_events, ended_events, goal_event
-- Locks      none
-- Errors     none
--
-- A value of 8,000 bytes and more is not stored a second time: the event says where it
-- is and how large.
create or replace function singularity_workflow.event_reference(p_value json, p_place text)
returns text
language plpgsql
immutable
set search_path = ''
as $function$
begin
  if p_value is null then
    return 'null';
  end if;
  return json_build_object('$ref', p_place, 'bytes', octet_length(p_value::text));
end;
$function$;

comment on function singularity_workflow.event_reference(json, text) is
  'A reference to a value that is too large for an event.';
