-- singularity_workflow.is_dead: whether a worker was declared lost, or has stopped.
--
-- Called by  report_tasks, claim_tasks, reap_workers, fire_timers, before they give the
--            caller tasks
-- Locks      none
-- Errors     none
--
-- A worker that slept through its lease does not know yet that it must take a new id.
-- What it were given under the old one nobody would ask for again: its tasks were given
-- back already. An id that is not known is nobody's, and may be given tasks.
create or replace function singularity_workflow.is_dead(p_worker_id uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $function$
begin
  return exists (
    select from singularity_workflow.workers w
    where w.worker_id = p_worker_id and (w.lost_at is not null or w.stopped_at is not null));
end;
$function$;

comment on function singularity_workflow.is_dead(uuid) is
  'Whether a worker was declared lost or has stopped, so that it gets no tasks.';
