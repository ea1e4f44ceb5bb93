-- singularity_workflow.register_worker: a process joins.
--
-- Called by  Store.register_worker, once per worker id
-- Locks      its own row, timers
-- Errors     SW403 the id was used before
create or replace function singularity_workflow.register_worker(
  p_worker_id   uuid,
  p_host        text,
  p_pid         integer,
  p_version     text,
  p_queues      text[],
  p_workflows   text[],          -- names of those that it can run
  p_concurrency integer,
  p_lease       interval
)
returns void
language plpgsql
volatile
set search_path = ''
as $function$
begin
  insert into singularity_workflow.workers
    (worker_id, host, pid, version, queues, workflows, concurrency, lease)
  values (p_worker_id, p_host, p_pid, p_version, p_queues, p_workflows, p_concurrency, p_lease)
  on conflict do nothing;

  if not found then
    raise exception using errcode = 'SW403',
      message = format('worker id %s was used before', p_worker_id),
      hint = 'Each process, and each comeback after a loss, takes a fresh id.';
  end if;

  perform singularity_workflow.serve_workflows(p_workflows);
end;
$function$;

comment on function singularity_workflow.register_worker(
  uuid, text, integer, text, text[], text[], integer, interval) is
  'Add a worker; its lease begins.';
