-- singularity_workflow.copy_run: a new run that reuses what another one has done.
--
-- Called by  Store.copy_run, for retries and forks; public
-- Locks      the source run; otherwise only new rows
-- Errors     SW403 the new id is no version 7 uuid, SW404 no such workflow, SW405 no such run,
--            SW406 no such step, SW409 not possible in the source's status, SW410
--
-- A retry takes over every completed and skipped step, and the completed elements of
-- maps that were not through; not what was undone by a compensation. A fork takes over
-- the completed and skipped steps that do not depend on the chosen one; what the chosen
-- one depends on must be among them. Both keep the source's version, input and options.
-- Of an undo step the elements are kept too: nothing else could tell them.
-- An id that exists already is that run.
create or replace function singularity_workflow.copy_run(
  p_run_id    uuid,
  p_new_id    uuid,
  p_from_step text default null,     -- a fork from this step; null: a retry
  p_owner     uuid default null,     -- whose local run it is
  p_notify    boolean default false  -- tell workers, inside this transaction
)
returns json                         -- {run_id, workflow_id, announced, ended, timers, events}
language plpgsql
volatile
set search_path = ''
set enable_seqscan = off
set jit = off
as $function$
declare
  v_now timestamptz := clock_timestamp();
  v_source singularity_workflow.runs;
  v_again smallint[];
  v_plan record;
  v_opened record;
  v_announced bigint;
  v_steps integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  if substr(p_new_id::text, 15, 1) is distinct from '7' then
    raise exception using errcode = 'SW403',
      message = format('run id %s is not a version 7 uuid', coalesce(p_new_id::text, 'null'));
  end if;
  perform singularity_workflow.lock_runs(array[p_run_id], true);
  select r.* into v_source from singularity_workflow.runs r where r.run_id = p_run_id;
  if not found then
    raise exception using errcode = 'SW405', message = format('no run has the id %s', p_run_id);
  end if;
  if exists (select from singularity_workflow.runs r where r.run_id = p_new_id) then
    return json_build_object('run_id', p_new_id, 'workflow_id', v_source.workflow_id);
  end if;
  v_again := singularity_workflow.steps_to_repeat(v_source, p_from_step);
  select w.step_count into v_steps
  from singularity_workflow.workflows w where w.workflow_id = v_source.workflow_id;

  with steps as materialized (
    select s.*, w.dependency_count, w.max_concurrency,
           s.status in ('completed', 'skipped') and s.step_no <> all (v_again) as is_kept,
           -- some elements have results; what it maps over has ended, and is kept
           w.kind = 'map' and s.status in ('started', 'failed', 'cancelled')
             and s.step_no <> all (v_again) and exists (
               select from singularity_workflow.tasks t
               where t.run_id = p_run_id and t.step_no = s.step_no
                 and t.status in ('completed', 'skipped')) as is_partial,
           w.over_step_no = s.step_no as is_undo
    from singularity_workflow.step_states s
    join singularity_workflow.workflow_steps w
      on w.workflow_id = v_source.workflow_id and w.step_no = s.step_no
    where s.run_id = p_run_id
  ),
  old_tasks as materialized (
    select t.*, s.is_partial, t.status in ('completed', 'skipped') as is_done, s.max_concurrency
    from steps s
    join singularity_workflow.tasks t on t.run_id = p_run_id and t.step_no = s.step_no
    where s.is_kept or s.is_partial
  ),
  counts as materialized (
    select t.step_no, count(*)::int as created, count(*) filter (where t.is_done)::int as done,
           max(t.task_index) + 1 as until
    from old_tasks t group by t.step_no
  ),
  new_run as (
    insert into singularity_workflow.runs (
      run_id, workflow_id, status, remaining_steps, order_key, priority, owner, serial,
      max_parallel, max_attempts, deadline_at, tags, metadata, goal, input, created_at, started_at,
      traceparent, origin_run_id, origin_kind, event_level)
    select p_new_id, v_source.workflow_id, 'started',
           (select count(*) from steps s where not s.is_kept),
           floor(extract(epoch from v_now) * 1000)::bigint - v_source.priority * 600000::bigint,
           v_source.priority, p_owner, v_source.serial, v_source.max_parallel,
           v_source.max_attempts,
           v_now + (v_source.deadline_at - v_source.created_at), v_source.tags, v_source.metadata,
           v_source.goal, v_source.input, v_now, v_now, v_source.traceparent, p_run_id,
           case when p_from_step is null then 'retry' else 'fork' end, v_source.event_level
    returning deadline_at
  ),
  deadlines as (
    insert into singularity_workflow.timers (kind, run_id, due_at)
    select 'deadline', p_new_id, singularity_workflow.now() + (n.deadline_at - v_now)
    from new_run n where n.deadline_at is not null
  ),
  tags as (
    insert into singularity_workflow.run_tags (tag, run_id)
    select distinct t.tag, p_new_id from unnest(v_source.tags) t (tag)
  ),
  states as (
    insert into singularity_workflow.step_states (
      run_id, step_no, status, remaining_deps, initial_tasks, remaining_tasks, next_task,
      window_used, skip_reason, output, error, created_at, started_at, ended_at)
    select p_new_id, s.step_no,
           case when s.is_kept then s.status when s.is_partial then 'started' else 'created' end,
           case when s.is_kept or s.is_partial then 0 else s.dependency_count end,
           case when s.is_kept or s.is_partial then s.initial_tasks end,
           case when s.is_kept then s.remaining_tasks
                when s.is_partial then s.initial_tasks - coalesce(c.done, 0) end,
           case when s.is_partial then 0 end,
           case when s.is_partial and s.max_concurrency is not null and not v_source.serial then 0 end,
           case when s.is_kept then s.skip_reason end,
           case when s.is_kept then s.output
                when s.is_undo then coalesce(case when s.status <> 'completed' then s.output else (
                  select json_agg(t.item order by t.task_index) from singularity_workflow.tasks t
                  where t.run_id = p_run_id and t.step_no = s.step_no) end, '[]') end,
           case when s.is_kept then s.error end,
           v_now,
           case when s.is_kept then s.started_at when s.is_partial then v_now end,
           case when s.is_kept then s.ended_at end
    from steps s left join counts c on c.step_no = s.step_no
  ),
  new_tasks as (
    insert into singularity_workflow.tasks (
      run_id, step_no, task_index, status, wait_reason, attempt, failures, losses, worker_id,
      item, output, error, created_at, started_at, ended_at)
    select p_new_id, t.step_no, t.task_index,
           case when t.is_open then 'waiting' when t.is_swept then 'cancelled' else t.status end,
           case when not t.is_open then null when v_source.serial then 'limit'
                when t.max_concurrency is not null then 'map_window' else 'paused' end,
           case when t.is_open then 0 else t.attempt end,
           0,                                 -- what went wrong is told by the source
           0,
           case when not t.is_open then t.worker_id end,
           t.item,
           case when not t.is_open then t.output end,
           case when not t.is_open then t.error end,
           v_now,
           case when not t.is_open then t.started_at end,
           case when t.is_swept then v_now when not t.is_open then t.ended_at end
    from (select o.*, o.is_partial and not o.is_done as is_open,
                 -- the step has ended, and this is the rest that its sweep will cancel
                 not o.is_partial and o.status in ('waiting', 'queued', 'started') as is_swept
          from old_tasks o) t
  ),
  chunks as (
    -- a fan-out that had not come to its end
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, due_at)
    select 'fan_out', p_new_id, s.step_no, c.created, singularity_workflow.now()
    from steps s join counts c on c.step_no = s.step_no
    where s.is_partial and c.created < s.initial_tasks
  )
  select coalesce(array_agg((p_new_id, s.step_no)::singularity_workflow.step_key)
                  filter (where s.is_kept), '{}') as kept,
         coalesce(array_agg((p_new_id, s.step_no)::singularity_workflow.step_key)
                  filter (where not s.is_kept and not s.is_partial and s.dependency_count = 0), '{}') as roots,
         coalesce(array_agg((p_new_id, s.step_no)::singularity_workflow.step_key)
                  filter (where s.is_partial), '{}') as partial,
         count(*) < v_steps or bool_or(case
                      when s.is_partial then c.created < c.until
                      when s.is_kept and s.status = 'completed'
                      then coalesce(c.created, 0) < s.initial_tasks end) as is_torn
  into v_plan
  from steps s left join counts c on c.step_no = s.step_no;
  if v_plan.is_torn then
    raise exception using errcode = 'SW409', detail = v_source.status,
      message = format('run %s cannot be repeated: it is being deleted', p_run_id);
  end if;

  -- a statement of its own: the insert has waited for a deletion that was under way
  if not exists (
       select from singularity_workflow.workflows w where w.workflow_id = v_source.workflow_id) then
    raise exception using errcode = 'SW404',
      message = format('the workflow of run %s is being deleted', p_run_id);
  end if;

  v_opened := singularity_workflow.open_steps(
    p_new_id, v_plan.kept, v_plan.roots, v_now, v_source.event_level, '{}');
  v_announced := v_opened.p_announced;
  if cardinality(v_opened.p_ended_run) = 0 then
    v_announced := least(
      v_announced,
      singularity_workflow.unpark_tasks(p_new_id, 0::smallint, 0, v_now),
      singularity_workflow.release_windows(v_plan.partial, v_now));
  end if;
  if p_notify then
    perform singularity_workflow.send_hints(v_announced, '{}', v_opened.p_events);
  end if;

  return json_build_object(
    'run_id', p_new_id,
    'workflow_id', v_source.workflow_id,
    'announced', v_announced,
    'ended', singularity_workflow.ended_reply(v_opened.p_ended_run, v_opened.p_ended_run),
    'timers', singularity_workflow.next_timer_in(),
    'events', v_opened.p_events);
end;
$function$;

comment on function singularity_workflow.copy_run(uuid, uuid, text, uuid, boolean) is
  'Retry a failed or cancelled run, or fork a run from a step, as a new run.';
