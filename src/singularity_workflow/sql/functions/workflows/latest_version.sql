-- singularity_workflow.latest_version: what a start by name means.
--
-- Called by  start_runs, find_flow, open_draft, add_flow_step
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.latest_version(p_name text)
returns integer               -- workflow_id; null if the name is not registered
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select w.workflow_id from singularity_workflow.workflows w
    where w.name = p_name
    order by w.registered_at desc, w.workflow_id desc limit 1);
end;
$function$;

comment on function singularity_workflow.latest_version(text) is
  'The version of a workflow that was registered last.';
