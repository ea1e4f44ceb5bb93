-- singularity_workflow.event_payload: a value as it stands in an event, or where it is.
--
-- Called by  record_events
-- Locks      none
-- Errors     none
--
-- A value of 8,000 bytes and more is not stored a second time: the event says where it
-- is and how large.
create or replace function singularity_workflow.event_payload(p_value json, p_reference text)
returns json
language plpgsql
immutable
set search_path = ''
as $function$
begin
  if octet_length(p_value::text) < 8000 then
    return p_value;
  elsif p_value is null then
    return 'null';
  end if;
  return json_build_object('$ref', p_reference, 'bytes', octet_length(p_value::text));
end;
$function$;

comment on function singularity_workflow.event_payload(json, text) is
  'A value that is small enough for an event, or a reference to it.';
