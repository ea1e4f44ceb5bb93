-- singularity_workflow.lock_runs: take the runs that are about to change.
--
-- Called by  report_tasks, fire_batch, heartbeat, adopt_runs, cancel_runs, release_tasks,
--            park_tasks, reap_workers, pause_runs, resume_runs, copy_run, delete_runs
-- Locks      runs in order of run_id, FOR NO KEY UPDATE
-- Errors     none
create or replace function singularity_workflow.lock_runs(p_run_ids uuid[], p_wait boolean)
returns uuid[]                -- those obtained
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_locked uuid[];
begin
  if p_wait then
    select coalesce(array_agg(l.run_id), '{}') into v_locked
    from (select r.run_id from singularity_workflow.runs r
          where r.run_id = any (p_run_ids)
          order by r.run_id for no key update) l;
  else
    select coalesce(array_agg(l.run_id), '{}') into v_locked
    from (select r.run_id from singularity_workflow.runs r
          where r.run_id = any (p_run_ids)
          order by r.run_id for no key update skip locked) l;
  end if;
  return v_locked;
end;
$function$;

comment on function singularity_workflow.lock_runs(uuid[], boolean) is
  'Lock runs in key order; without p_wait, pass over those that somebody holds.';
