-- singularity_workflow.reap_workers: give back the tasks of workers that died.
--
-- Called by  Store.reap_workers: a duty that any worker may do; public
-- Locks      advisory lock (tried, not waited for), workers → runs (SKIP LOCKED) → tasks
-- Errors     SW410
--
-- A worker is dead when its heartbeat is older than its lease, but not within one lease
-- of a server start: no heartbeat could have arrived. It is declared lost first, so that
-- it must take a new id if it comes back. Each of its started tasks counts a loss and
-- is queued again; one that was lost max_lost times is started for the caller instead,
-- who reports it as failed: so the policy of its step decides, as for any failure.
--
-- The tasks are found through the open runs: an index on started tasks would cost every
-- update of the hot path.
create or replace function singularity_workflow.reap_workers(
  p_worker_id uuid,             -- the caller
  p_limit     integer default 500
)
returns json  -- {lost: [worker ids], queued, given_up: [[run, step, task, attempt, worker, losses], …],
              --  announced, events, has_more, next: seconds until the next lease runs out}
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
  v_lost uuid[];
  v_dead uuid[];
  v_tasks singularity_workflow.task_key[];
  v_locked uuid[];
  v_again singularity_workflow.task_key[];
  v_given_up json;
  v_announced bigint;
  v_events bigint;
  v_size integer := 0;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  if singularity_workflow.is_dead(p_worker_id) then
    return json_build_object('has_more', false, 'next', 0.5);
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('singularity_workflow.reap', 0)) then
    return json_build_object('has_more', false, 'next', 0.5);
  end if;

  with lost as (
    update singularity_workflow.workers w set lost_at = v_now
    where w.stopped_at is null and w.lost_at is null
      and w.heartbeat_at + w.lease < v_now
      and pg_postmaster_start_time() + w.lease < v_now
    returning w.worker_id
  )
  select array_agg(l.worker_id) into v_lost from lost l;

  -- reaped_at says that nothing is left: no later call walks over the open runs again, but
  -- for one a minute after the end. A call of the dead one's that was under way then may
  -- have given it tasks since
  select array_agg(w.worker_id) into v_dead
  from singularity_workflow.workers w
  cross join lateral (
    select least(w.lost_at, w.stopped_at) + interval '1 minute' as last_look) l
  where (w.lost_at is not null or w.stopped_at is not null)
    and (w.reaped_at is null or w.reaped_at < l.last_look and l.last_look <= v_now);

  if v_dead is not null then
    select array_agg((f.run_id, f.step_no, f.task_index)::singularity_workflow.task_key)
    into v_tasks
    from (
      select t.run_id, t.step_no, t.task_index
      from singularity_workflow.runs r
      join singularity_workflow.tasks t on t.run_id = r.run_id
      where r.status in ('pending', 'started', 'paused')
        and t.status = 'started' and t.worker_id = any (v_dead)
      limit p_limit) f;
    v_size := coalesce(cardinality(v_tasks), 0);

    v_locked := singularity_workflow.lock_runs(
      array(select distinct u.run_id from unnest(v_tasks) u), false);

    -- looked at again under the lock
    select array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key)
    into v_again
    from unnest(v_tasks) u
    join singularity_workflow.tasks t
      on t.run_id = u.run_id and t.step_no = u.step_no and t.task_index = u.task_index
    join singularity_workflow.runs r on r.run_id = t.run_id
    join singularity_workflow.workers w on w.worker_id = t.worker_id
    where u.run_id = any (v_locked) and r.status in ('started', 'paused')
      and t.status = 'started' and t.worker_id = any (v_dead);

    with judged as (
      select t.run_id, t.step_no, t.task_index, t.worker_id, t.losses + 1 as losses
      from (select u.* from unnest(v_again) u order by u.run_id, u.step_no, u.task_index) u
      cross join lateral (
        select t.* from singularity_workflow.tasks t
        where t.run_id = u.run_id and t.step_no = u.step_no and t.task_index = u.task_index
        for update offset 0) t
      join singularity_workflow.workers w on w.worker_id = t.worker_id and w.lost_at is not null
      join singularity_workflow.runs r on r.run_id = t.run_id
      join singularity_workflow.workflows f on f.workflow_id = r.workflow_id
      join singularity_workflow.workflow_steps s
        on s.workflow_id = r.workflow_id and s.step_no = t.step_no
      where t.losses + 1 >= coalesce(s.options->>'max_lost', f.options->>'max_lost', '3')::int
    ),
    taken as (
      update singularity_workflow.tasks t
      set attempt = t.attempt + 1, losses = j.losses, worker_id = p_worker_id, started_at = v_now
      from judged j
      where t.run_id = j.run_id and t.step_no = j.step_no and t.task_index = j.task_index
      returning t.run_id, t.step_no, t.task_index, t.attempt, j.worker_id as lost_worker_id, j.losses
    )
    select json_agg(json_build_array(
             k.run_id, k.step_no, k.task_index, k.attempt, k.lost_worker_id, k.losses)),
           array(
             select a from unnest(v_again) a
             except
             select (k.run_id, k.step_no, k.task_index)::singularity_workflow.task_key from taken k)
    into v_given_up, v_again
    from taken k;

    v_events := singularity_workflow.lost_events(v_again, v_now);

    -- whoever stopped in good order lost nothing: what it left behind counts no loss
    v_announced := least(
      singularity_workflow.queue_tasks(array(
        select a from unnest(v_again) a
        join singularity_workflow.tasks t
          on t.run_id = a.run_id and t.step_no = a.step_no and t.task_index = a.task_index
        join singularity_workflow.workers w on w.worker_id = t.worker_id
        where w.lost_at is not null), 1, v_now),
      singularity_workflow.queue_tasks(array(
        select a from unnest(v_again) a
        join singularity_workflow.tasks t
          on t.run_id = a.run_id and t.step_no = a.step_no and t.task_index = a.task_index
        join singularity_workflow.workers w on w.worker_id = t.worker_id
        where w.lost_at is null and t.status = 'started'), 0, v_now));

    if v_size = 0 then
      update singularity_workflow.workers w set reaped_at = v_now
      where w.worker_id = any (v_dead);
    end if;
  end if;

  return json_build_object(
    'lost', v_lost,
    'queued', cardinality(v_again),
    'given_up', v_given_up,
    'announced', v_announced,
    'events', case when v_events is not null then json_build_array(v_events) end,
    'has_more', v_size > 0,
    'next', (
      select extract(epoch from min(greatest(
               w.heartbeat_at + w.lease, pg_postmaster_start_time() + w.lease)) - v_now)::float8
      from singularity_workflow.workers w
      where w.stopped_at is null and w.lost_at is null and w.worker_id <> p_worker_id));
end;
$function$;

comment on function singularity_workflow.reap_workers(uuid, integer) is
  'Declare silent workers lost, and queue their tasks again.';
