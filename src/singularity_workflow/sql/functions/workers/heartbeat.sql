-- singularity_workflow.heartbeat: a worker lives, and knows these tasks.
--
-- Called by  Store.heartbeat, from a thread and connection of its own; public
-- Locks      its own row; with p_sweep runs (SKIP LOCKED) → tasks
-- Errors     none
--
-- The reply says whether the worker was asked to drain (drain_workers), and names the
-- tasks that are no longer its own: their runs have ended, or somebody else has them. With p_sweep (after a lost connection, and now and then) its
-- tasks that were started more than ten seconds ago and are not listed go back to the
-- queue: an old backend may have committed a hand-over whose reply nobody received.
create or replace function singularity_workflow.heartbeat(
  p_worker_id uuid,
  p_known     json,             -- [[run, step, task, attempt], …]
  p_sweep     boolean default false
)
returns json                    -- {alive, drain, gone: [[run, step, task, attempt], …], swept}
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
  v_alive boolean;
  v_drain boolean;
  v_gone json;
  v_tasks singularity_workflow.task_key[];
  v_locked uuid[];
begin
  update singularity_workflow.workers w set heartbeat_at = clock_timestamp()
  where w.worker_id = p_worker_id and w.stopped_at is null and w.lost_at is null
  returning w.draining_at is not null into v_drain;
  v_alive := found;

  select json_agg(k.value) into v_gone
  from json_array_elements(p_known) k
  where not exists (
    select from singularity_workflow.tasks t
    where t.run_id = (k.value->>0)::uuid and t.step_no = (k.value->>1)::smallint
      and t.task_index = (k.value->>2)::int and t.attempt = (k.value->>3)::int
      and t.status = 'started');

  if p_sweep and v_alive then
    select array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key)
    into v_tasks
    from singularity_workflow.runs r
    join singularity_workflow.tasks t on t.run_id = r.run_id
    where r.status in ('pending', 'started', 'paused')
      and t.status = 'started' and t.worker_id = p_worker_id
      and t.started_at < clock_timestamp() - interval '10 seconds'
      and not exists (
        select from json_array_elements(p_known) k
        where (k.value->>0)::uuid = t.run_id and (k.value->>1)::smallint = t.step_no
          and (k.value->>2)::int = t.task_index);

    v_locked := singularity_workflow.lock_runs(
      array(select distinct u.run_id from unnest(v_tasks) u), false);
    select array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key)
    into v_tasks
    from unnest(v_tasks) u
    join singularity_workflow.tasks t
      on t.run_id = u.run_id and t.step_no = u.step_no and t.task_index = u.task_index
    where u.run_id = any (v_locked) and t.status = 'started' and t.worker_id = p_worker_id
      and t.started_at < clock_timestamp() - interval '10 seconds';
    perform singularity_workflow.queue_tasks(v_tasks, 0, clock_timestamp());
  end if;

  return json_build_object(
    'alive', v_alive, 'drain', coalesce(v_drain, false), 'gone', v_gone,
    'swept', cardinality(v_tasks));
end;
$function$;

comment on function singularity_workflow.heartbeat(uuid, json, boolean) is
  'Renew a worker''s lease; learn which tasks are its own no longer, and whether to drain.';
