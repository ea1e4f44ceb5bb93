-- singularity_workflow.goal_event: the start or the end of a goal, as an event.
--
-- Called by  record_events, ended_events, record_change, for runs whose column `goal` says
--            that they are that of a goal
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.goal_event(
  p_type   text,
  p_run_id uuid,
  p_input  json,
  p_goal   json,                -- of the run: goal_hash, parent, depth, redact
  p_reason text default null    -- of a goal that was cancelled
)
returns text                  -- JSON
language plpgsql
immutable
set search_path = ''
as $function$
declare
  v_goal json := p_input->'goal';
begin
  if octet_length(v_goal::text) >= (case when p_goal->>'redact' = 'true' then 0 else 8000 end) then
    v_goal := singularity_workflow.event_reference(v_goal, p_run_id::text)::json;
  end if;
  return concat(
    '{"type":"', p_type, '","goal":', coalesce(v_goal::text, 'null'),
    ',"goal_hash":', coalesce((p_goal->'goal_hash')::text, 'null'),
    ',"parent":', coalesce((p_goal->'parent')::text, 'null'),
    ',"depth":', coalesce((p_goal->'depth')::text, '1'),
    case when p_type = 'goal_cancelled' then ',"reason":' || coalesce(to_json(p_reason)::text, 'null') end, '}');
end;
$function$;

comment on function singularity_workflow.goal_event(text, uuid, json, json, text) is
  'The start or the end of a goal, with the goal or where it is.';
