-- singularity_workflow.event_room: from how many bytes on a value is not put into an event.
--
-- Called by  record_events, ended_events, goal_event
-- Locks      none
-- Errors     none
--
-- Large values are not stored a second time. Of a run whose metadata says `redact` none
-- is: whoever may read events, but not runs, learns no more than where the values are.
-- In SQL, so that it becomes a part of the statements that call it.
create or replace function singularity_workflow.event_room(p_metadata json)
returns integer
language sql
immutable
as $function$
  select case when p_metadata->>'redact' = 'true' then 0 else 8000 end
$function$;

comment on function singularity_workflow.event_room(json) is
  'From how many bytes on a value stands in events as a reference.';
