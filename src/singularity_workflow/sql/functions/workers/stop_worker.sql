-- singularity_workflow.stop_worker: a process leaves in good order.
--
-- Called by  Store.stop_worker, after it released its tasks
-- Locks      its own row
-- Errors     none
create or replace function singularity_workflow.stop_worker(p_worker_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $function$
begin
  update singularity_workflow.workers w set stopped_at = clock_timestamp()
  where w.worker_id = p_worker_id and w.stopped_at is null;
end;
$function$;

comment on function singularity_workflow.stop_worker(uuid) is
  'Mark a worker as stopped; its local runs may be adopted at once.';
