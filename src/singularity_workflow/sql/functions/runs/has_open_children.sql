-- singularity_workflow.has_open_children: does a run wait for child runs?
--
-- Called by  pause_runs, resume_runs
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.has_open_children(p_run_id uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $function$
begin
  return exists (
    select from singularity_workflow.runs c
    where c.parent_run_id = p_run_id and c.status in ('pending', 'started', 'paused'));
end;
$function$;

comment on function singularity_workflow.has_open_children(uuid) is
  'Whether a child of the run has not ended.';
