-- singularity_workflow.drain_workers: ask workers to finish what they have, and to end.
--
-- Called by  Store.drain_workers; public
-- Locks      workers in order of worker_id
-- Errors     none
--
-- A worker learns it from its next heartbeat, within a third of its lease: it claims
-- nothing more, waits for its tasks and ends, as after SIGTERM. Ids that are not known,
-- or whose worker has stopped or is lost, are passed over.
create or replace function singularity_workflow.drain_workers(p_worker_ids uuid[])
returns uuid[]                -- those that were asked by this call for the first time
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_asked uuid[];
begin
  with found as (
    select w.worker_id from singularity_workflow.workers w
    where w.worker_id = any (p_worker_ids)
      and w.stopped_at is null and w.lost_at is null and w.draining_at is null
    order by w.worker_id
    for no key update
  ),
  asked as (
    update singularity_workflow.workers w set draining_at = clock_timestamp()
    from found f where w.worker_id = f.worker_id
    returning w.worker_id
  )
  select coalesce(array_agg(a.worker_id order by a.worker_id), '{}') into v_asked
  from asked a;
  return v_asked;
end;
$function$;

comment on function singularity_workflow.drain_workers(uuid[]) is
  'Ask workers to take no more tasks, and to end when they have none.';
