-- singularity_workflow.wake_tasks: queue the tasks whose timers are due.
--
-- Called by  fire_batch, with the runs locked
-- Locks      tasks of those runs, in key order
-- Errors     none
--
-- Retries, delays (a thousand tasks of a map at a time) and unserved tasks. In a paused
-- run they wait for the resumption; a delayed task of a serial run waits for its turn,
-- one of a map with max_concurrency for the window.
create or replace function singularity_workflow.wake_tasks(
  p_timers        bigint[],
  p_runs          uuid[],
  p_now           timestamptz,
  out p_announced bigint,
  out p_serial    uuid[],                           -- runs whose turn may be free
  out p_windows   singularity_workflow.step_key[]   -- maps whose window may have room
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
begin
  with due as (
    select t.*, r.status, r.serial, s.initial_tasks,
           case when t.kind <> 'delay' then null when r.serial then 'limit'
                when s.window_used is not null then 'map_window' end as next_reason
    from unnest(p_timers) d (timer_id)
    cross join lateral (
      select t.* from singularity_workflow.timers t where t.timer_id = d.timer_id offset 0) t
    cross join lateral (
      select r.status, r.serial from singularity_workflow.runs r where r.run_id = t.run_id offset 0) r
    cross join lateral (
      select s.initial_tasks, s.window_used from singularity_workflow.step_states s
      where s.run_id = t.run_id and s.step_no = t.step_no offset 0) s
    where t.run_id = any (p_runs) and t.kind in ('retry', 'delay', 'unserved')
      and r.status in ('started', 'paused')
  ),
  ready as materialized (
    select k.run_id, k.step_no, k.task_index,
           coalesce(d.next_reason, case when d.status = 'paused' then 'paused' end) as next_reason
    from due d
    cross join lateral (
      select k.* from singularity_workflow.tasks k
      where k.run_id = d.run_id and k.step_no = d.step_no
        and k.task_index >= d.task_index
        and k.task_index < d.task_index + case d.kind when 'delay' then 1000 else 1 end
      offset 0) k
    where k.status = 'waiting' and k.wait_reason = d.kind
      and (d.attempt is null or d.attempt = k.attempt)
  ),
  turned as (
    update singularity_workflow.tasks k set wait_reason = e.next_reason
    from ready e
    where e.next_reason is not null
      and k.run_id = e.run_id and k.step_no = e.step_no and k.task_index = e.task_index
  ),
  more as (
    insert into singularity_workflow.timers (kind, run_id, step_no, task_index, due_at)
    select 'delay', d.run_id, d.step_no, d.task_index + 1000, d.due_at
    from due d where d.kind = 'delay' and d.initial_tasks > d.task_index + 1000
  )
  select array_agg((e.run_id, e.step_no, e.task_index)::singularity_workflow.task_key)
           filter (where e.next_reason is null),
         array_agg(distinct e.run_id) filter (where e.next_reason = 'limit'),
         array_agg(distinct (e.run_id, e.step_no)::singularity_workflow.step_key)
           filter (where e.next_reason = 'map_window')
  into v_tasks, p_serial, p_windows
  from ready e;

  p_announced := singularity_workflow.queue_tasks(v_tasks, 0, p_now);
end;
$function$;

comment on function singularity_workflow.wake_tasks(bigint[], uuid[], timestamptz) is
  'Queue tasks whose retry, delay or wait for code is over.';
