-- singularity_workflow.goal_event: the start or the end of a goal, as an event.
--
-- Called by  record_events, ended_events, for runs whose metadata says that they are of
--            the kind `goal`
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.goal_event(
  p_type     text,
  p_run_id   uuid,
  p_input    json,
  p_metadata json
)
returns text                  -- JSON
language plpgsql
immutable
set search_path = ''
as $function$
declare
  v_goal json := p_input->'goal';
begin
  if octet_length(v_goal::text) >= (case when p_metadata->>'redact' = 'true' then 0 else 8000 end) then
    v_goal := singularity_workflow.event_reference(v_goal, p_run_id::text)::json;
  end if;
  return json_build_object(
    'type', p_type, 'goal', v_goal, 'goal_hash', p_metadata->'goal_hash',
    'parent', p_metadata->'parent', 'depth', coalesce(p_metadata->'depth', '1'));
end;
$function$;

comment on function singularity_workflow.goal_event(text, uuid, json, json) is
  'The start or the end of a goal, with the goal or where it is.';
