-- singularity_workflow.adopt_runs: take over local runs whose owner is gone.
--
-- Called by  Store.adopt_runs (engine.recover)
-- Locks      workers, then runs in order of run_id (SKIP LOCKED) → tasks
-- Errors     SW410
--
-- An owner is gone when it stopped, or its heartbeat is older than its lease; not
-- within one lease of a server start, when no heartbeat could have arrived. It is
-- declared lost first, so that it must take a new id if it comes back. Its started
-- tasks go back to the queue, one loss each unless it had stopped in good order.
create or replace function singularity_workflow.adopt_runs(
  p_owner        uuid,            -- the new owner; null: any worker of the workflow's queue
  p_workflow_ids integer[],       -- versions that the new owner can run
  p_limit        integer default 100
)
returns json      -- {adopted: [[run id, workflow id], …], announced, waiting: seconds}
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  v_now timestamptz := clock_timestamp();
  v_found uuid[];
  v_runs uuid[];
  v_lost_tasks singularity_workflow.task_key[];
  v_kept_tasks singularity_workflow.task_key[];
  v_announced bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;

  update singularity_workflow.workers w set lost_at = v_now
  where w.stopped_at is null and w.lost_at is null
    and w.heartbeat_at + w.lease < v_now
    and pg_postmaster_start_time() + w.lease < v_now;

  select coalesce(array_agg(f.run_id), '{}') into v_found
  from (
    select r.run_id from singularity_workflow.runs r
    left join singularity_workflow.workers w on w.worker_id = r.owner
    where r.status in ('pending', 'started', 'paused')
      and r.owner is not null and r.owner is distinct from p_owner
      and r.workflow_id = any (p_workflow_ids)
      and (w.worker_id is null or w.stopped_at is not null or w.lost_at is not null)
    limit p_limit) f;

  -- a statement of its own: the next one must see what the lock protects
  v_found := singularity_workflow.lock_runs(v_found, false);

  with gone as materialized (
    select r.run_id, r.owner, r.workflow_id
    from singularity_workflow.runs r
    left join singularity_workflow.workers w on w.worker_id = r.owner
    where r.run_id = any (v_found) and r.status in ('pending', 'started', 'paused')
      and (w.worker_id is null or w.stopped_at is not null or w.lost_at is not null)
  ),
  moved as (
    update pgmq.q_swf_tasks q
    set message = jsonb_set(q.message, '{queue}', to_jsonb(
          coalesce('local:' || p_owner::text, s.queue)
          || case when q.message->>'queue' like '%!' then '!' else '' end))
    from gone g
    join singularity_workflow.tasks t on t.run_id = g.run_id and t.status = 'queued'
    join singularity_workflow.workflow_steps s
      on s.workflow_id = g.workflow_id and s.step_no = t.step_no
    where q.msg_id = t.msg_id
    returning (q.message->>'k')::bigint as k
  ),
  adopted as (
    update singularity_workflow.runs r set owner = p_owner
    from gone g where r.run_id = g.run_id and r.owner = g.owner
    returning r.run_id
  )
  select (select array_agg(a.run_id) from adopted a), (select min(m.k) from moved m)
  into v_runs, v_announced;

  select array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key)
           filter (where w.stopped_at is null),
         array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key)
           filter (where w.stopped_at is not null)
  into v_lost_tasks, v_kept_tasks
  from unnest(v_runs) a (run_id)
  join singularity_workflow.tasks t on t.run_id = a.run_id and t.status = 'started'
  left join singularity_workflow.workers w on w.worker_id = t.worker_id
  where w.worker_id is null or w.stopped_at is not null or w.lost_at is not null;

  v_announced := least(v_announced,
    singularity_workflow.queue_tasks(v_lost_tasks, 1, v_now),
    singularity_workflow.queue_tasks(v_kept_tasks, 0, v_now));

  return json_build_object(
    'adopted', (select json_agg(json_build_array(r.run_id, r.workflow_id))
                from singularity_workflow.runs r where r.run_id = any (v_runs)),
    'announced', v_announced,
    'waiting', (
      -- how long until the last silent owner of such a run is known to live or not
      select extract(epoch from max(greatest(w.heartbeat_at, pg_postmaster_start_time()) + w.lease) - v_now)::float8
      from singularity_workflow.workers w
      where w.stopped_at is null and w.lost_at is null and w.worker_id is distinct from p_owner
        and exists (
          select from singularity_workflow.runs r
          where r.status in ('pending', 'started', 'paused') and r.owner = w.worker_id
            and r.workflow_id = any (p_workflow_ids))));
end;
$function$;

comment on function singularity_workflow.adopt_runs(uuid, integer[], integer) is
  'Move local runs of owners that are gone to a new owner.';
