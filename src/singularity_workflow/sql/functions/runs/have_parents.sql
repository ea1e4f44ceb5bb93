-- singularity_workflow.have_parents: does any of these runs go on in another one?
--
-- Called by  report_tasks, start_runs
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.have_parents(p_run_ids uuid[])
returns boolean
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
as $function$
begin
  return exists (
    select from unnest(p_run_ids) p (run_id)
    cross join lateral (
      select r.parent_run_id from singularity_workflow.runs r where r.run_id = p.run_id offset 0) r
    where r.parent_run_id is not null);
end;
$function$;

comment on function singularity_workflow.have_parents(uuid[]) is
  'Whether the end of some of these runs has set a timer that is due now.';
