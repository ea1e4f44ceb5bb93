-- singularity_workflow.run_event_state: whether a run stores events, and has ended.
--
-- Called by  Store.read_run, before somebody listens to one run; public
-- Locks      none
-- Errors     SW405
create or replace function singularity_workflow.run_event_state(p_run_id uuid)
returns json                  -- {level, ended}
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_state json;
begin
  select json_build_object('level', r.event_level, 'ended', r.ended_at is not null) into v_state
  from singularity_workflow.runs r where r.run_id = p_run_id;
  if v_state is null then
    raise exception using errcode = 'SW405', message = format('no run has the id %s', p_run_id);
  end if;
  return v_state;
end;
$function$;

comment on function singularity_workflow.run_event_state(uuid) is
  'Whether a run stores events, and whether it has ended.';
