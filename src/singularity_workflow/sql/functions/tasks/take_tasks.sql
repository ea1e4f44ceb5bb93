-- singularity_workflow.take_tasks: start the next queued tasks for a worker.
--
-- Called by  claim_tasks and report_tasks
-- Locks      messages (SKIP LOCKED), then tasks in key order
-- Errors     none
--
-- The messages with the smallest keys are deleted and their tasks started in the same
-- commit, so that no message outlives its meaning. A message that its task does not
-- answer to (another msg_id) is stale and dropped. Tasks of runs that are not seen as
-- started go to park_tasks. With p_lost one task at the most comes from the lanes of
-- those that were lost before (task_message).
create or replace function singularity_workflow.take_tasks(
  p_worker_id uuid,
  p_queues    text[],
  p_low       bigint,
  p_n         integer,
  p_now       timestamptz,
  p_lost      boolean,
  out p_taken singularity_workflow.task_key[],
  out p_last  bigint,               -- the largest key taken
  out p_head  bigint,               -- not null: there may be more, from this key on
  out p_has_events boolean          -- of some run, what is taken is told
)
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
  v_tasks singularity_workflow.task_key[];
  v_messages bigint[];
  v_elsewhere jsonb[];
  v_elsewhere_ids bigint[];
  v_size integer;
  v_n integer := p_n;
  v_lost_id bigint;
  v_lost jsonb;
begin
  p_taken := '{}';
  if p_n <= 0 then
    return;
  end if;

  if p_lost then
    select m.msg_id, m.message into v_lost_id, v_lost
    from singularity_workflow.take_messages(array(select q || '!' from unnest(p_queues) q), 0, 1) m;
    if found then
      v_n := p_n - 1;
    end if;
  end if;

  with queued as (
    select m.* from singularity_workflow.take_messages(p_queues, p_low, v_n) m
  ),
  taken as (
    select q.*, true as is_in_order from queued q
    union all
    select v_lost_id, v_lost, (v_lost->>'run')::uuid, (v_lost->>'step')::smallint,
           (v_lost->>'task')::integer, (v_lost->>'k')::bigint, false
    where v_lost_id is not null
  )
  -- a run that is not seen here began after this statement did: take_messages looks with
  -- a newer snapshot, and what becomes of its task is decided below with one newer still
  select array_agg((t.run_id, t.step_no, t.task_index)::singularity_workflow.task_key order by t.k, t.msg_id)
           filter (where r.status is null or r.status = 'started'),
         array_agg(t.msg_id order by t.k, t.msg_id)
           filter (where r.status is null or r.status = 'started'),
         array_agg(t.message) filter (where r.status <> 'started'),
         array_agg(t.msg_id) filter (where r.status <> 'started'),
         max(t.k) filter (where t.is_in_order), count(*) filter (where t.is_in_order),
         bool_or(r.event_level = 2 or r.event_level is null)
  into v_tasks, v_messages, v_elsewhere, v_elsewhere_ids, p_last, v_size, p_has_events
  from taken t
  left join lateral (
    select r.status, r.event_level from singularity_workflow.runs r
    where r.run_id = t.run_id offset 0) r on true;

  if v_size = v_n then
    p_head := p_last;
  end if;
  if v_elsewhere is not null then
    perform singularity_workflow.park_tasks(v_elsewhere, v_elsewhere_ids, p_now);
  end if;
  if v_tasks is null then
    return;
  end if;

  with started as (
    update singularity_workflow.tasks t
    set status = 'started', attempt = t.attempt + 1, msg_id = null,
        worker_id = p_worker_id, started_at = p_now
    from (
      select m.* from unnest(v_tasks, v_messages)
        with ordinality m (run_id, step_no, task_index, msg_id, place)
      order by m.run_id, m.step_no, m.task_index) m
    cross join lateral (
      select h.ctid from singularity_workflow.tasks h
      where h.run_id = m.run_id and h.step_no = m.step_no and h.task_index = m.task_index
        and h.status = 'queued' and h.msg_id = m.msg_id
      for update offset 0) x
    where t.ctid = x.ctid
    returning t.run_id, t.step_no, t.task_index, m.place
  )
  select coalesce(array_agg((s.run_id, s.step_no, s.task_index)::singularity_workflow.task_key
                            order by s.place), '{}')
  into p_taken from started s;
end;
$function$;

comment on function singularity_workflow.take_tasks(uuid, text[], bigint, integer, timestamptz, boolean) is
  'Delete the next messages of the queues and start their tasks.';
