-- singularity_workflow.release_serial: give turns to the next tasks of serial runs.
--
-- Called by  start_runs, report_tasks, fire_batch, resume_runs and open_steps, with the
--            runs locked
-- Locks      tasks of the same runs
-- Errors     none
--
-- A serial run lets so many tasks go at a time, by default (parallel=False) one. A task
-- that has a turn keeps it over its retries. The next is the first waiting one by step and
-- index; for a map its next_task says where to look, so that a turn costs the same at any
-- width.
create or replace function singularity_workflow.release_serial(
  p_run_ids       uuid[],
  p_worker_id     uuid,
  p_slots         integer,
  p_queues        text[],
  p_max_key       bigint,             -- hand over nothing that is less urgent; null: no bound
  p_now           timestamptz,
  out p_handed    singularity_workflow.task_key[],
  out p_announced bigint
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
begin
  with open_runs as materialized (
    select r.run_id, r.workflow_id, r.owner, r.order_key, r.max_parallel - r.turns as free
    from (select distinct p.run_id from unnest(p_run_ids) p (run_id)) p
    join singularity_workflow.runs r on r.run_id = p.run_id
    where r.serial and r.turns < r.max_parallel and r.status = 'started'
  ),
  turns as materialized (
    select o.run_id, n.step_no, n.task_index, o.workflow_id, o.owner, o.order_key
    from open_runs o
    cross join lateral (
      select t.step_no, t.task_index
      from singularity_workflow.step_states s
      join singularity_workflow.tasks t
        on t.run_id = s.run_id and t.step_no = s.step_no
       and t.task_index >= coalesce(s.next_task, 0)
      where s.run_id = o.run_id and s.status = 'started'
        and t.status = 'waiting' and t.wait_reason = 'limit'
      order by s.step_no, t.task_index
      limit o.free
    ) n
  ),
  taken as (
    update singularity_workflow.runs r set turns = r.turns + n.tasks
    from (select t.run_id, count(*) as tasks from turns t group by 1) n
    where r.run_id = n.run_id
  ),
  windows as (
    update singularity_workflow.step_states s set next_task = t.last_task + 1
    from (select t.run_id, t.step_no, max(t.task_index) as last_task from turns t group by 1, 2) t
    where s.run_id = t.run_id and s.step_no = t.step_no
  ),
  placed as (
    select t.run_id, t.step_no, t.task_index, coalesce('local:' || t.owner::text, w.queue) as queue,
           t.order_key - w.priority * 600000::bigint as k
    from turns t
    join singularity_workflow.workflow_steps w
      on w.workflow_id = t.workflow_id and w.step_no = t.step_no
  ),
  served as (
    select p.*, p.queue = any (p_queues) and p.k <= coalesce(p_max_key, p.k) as is_served
    from placed p
  ),
  ranked as (
    select s.*, s.is_served and row_number() over (
             partition by s.is_served order by s.k, s.run_id, s.step_no, s.task_index) <= p_slots as is_handed
    from served s
  ),
  planned as materialized (
    select r.*, case when not r.is_handed then nextval('pgmq.q_swf_tasks_msg_id_seq') end as msg_id
    from ranked r
  ),
  released as (
    update singularity_workflow.tasks t
    set status = case when p.is_handed then 'started' else 'queued' end,
        wait_reason = null,
        attempt = t.attempt + case when p.is_handed then 1 else 0 end,
        msg_id = p.msg_id,
        worker_id = case when p.is_handed then p_worker_id else t.worker_id end,
        started_at = case when p.is_handed then p_now else t.started_at end
    from planned p
    where t.run_id = p.run_id and t.step_no = p.step_no and t.task_index = p.task_index
  ),
  new_messages as (
    insert into pgmq.q_swf_tasks (msg_id, vt, message) overriding system value
    select p.msg_id, p_now,
           singularity_workflow.task_message(p.queue, p.k, p.run_id, p.step_no, p.task_index)
    from planned p where p.msg_id is not null
  )
  select coalesce(array_agg((p.run_id, p.step_no, p.task_index)::singularity_workflow.task_key
                            order by p.k) filter (where p.is_handed), '{}'),
         min(p.k) filter (where not p.is_handed)
  into p_handed, p_announced
  from planned p;
end;
$function$;

comment on function singularity_workflow.release_serial(
  uuid[], uuid, integer, text[], bigint, timestamptz) is
  'Let the next tasks of each serial run go, as many as it has turns left.';
