-- singularity_workflow.delete_runs: remove runs that have ended, a part at a time.
--
-- Called by  Store.delete_runs; public
-- Locks      the runs (SKIP LOCKED), then as delete_run_rows
-- Errors     SW409 a run has not ended, or another one is still to learn how, SW410
--
-- At most p_limit rows a call, so that no transaction is long: tasks first, then steps,
-- the run itself last. Until a run is gone, a further call goes on with it.
create or replace function singularity_workflow.delete_runs(
  p_run_ids uuid[],
  p_limit   integer default 500
)
returns json                  -- {deleted: [run id, …], has_more}
language plpgsql
volatile
set search_path = ''
set enable_seqscan = off
set jit = off
as $function$
declare
  v_run_id uuid;
  v_open record;
  v_left integer := p_limit;
  v_deleted uuid[] := '{}';
  v_locked uuid[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  v_locked := singularity_workflow.lock_runs(p_run_ids, false);

  select r.run_id, r.status into v_open
  from singularity_workflow.runs r
  where r.run_id = any (p_run_ids) and r.status in ('pending', 'started', 'paused')
  order by r.run_id limit 1;
  if found then
    raise exception using errcode = 'SW409', detail = v_open.status,
      message = format('run %s cannot be deleted: it is %s', v_open.run_id, v_open.status),
      hint = 'Cancel it first.';
  end if;

  -- an end that somebody has yet to act on: the parent's task, or what undoes the run
  select r.run_id, r.status, u.is_due as is_undone into v_open
  from singularity_workflow.runs r
  join singularity_workflow.workflows w on w.workflow_id = r.workflow_id
  cross join lateral (
    select w.compensation is not null and r.status <> 'completed' and exists (
      select from singularity_workflow.timers t
      where t.due_at <= singularity_workflow.now() + interval '2 minutes'  -- it may be put off
        and t.kind = 'compensate'
        and t.run_id = r.run_id) as is_due) u
  where r.run_id = any (v_locked)
    and (u.is_due or r.parent_run_id is not null and exists (
           select from singularity_workflow.tasks t
           where t.run_id = r.parent_run_id and t.step_no = r.parent_step_no
             and t.task_index = r.parent_task_index and t.attempt = r.parent_attempt
             and t.status = 'waiting' and t.wait_reason = 'child'))
  order by r.run_id limit 1;
  if found then
    raise exception using errcode = 'SW409', detail = v_open.status,
      message = format('run %s cannot be deleted yet: %s', v_open.run_id,
                       case when v_open.is_undone then 'what it did is about to be undone'
                         else 'its parent has still to take its result' end),
      hint = 'That takes a worker, or a call of fire_timers.';
  end if;

  foreach v_run_id in array v_locked loop
    v_left := v_left - singularity_workflow.delete_run_rows(array[v_run_id], v_left, (
      select w.name from singularity_workflow.runs r
      join singularity_workflow.workflows w on w.workflow_id = r.workflow_id
      where r.run_id = v_run_id));
    exit when exists (select from singularity_workflow.runs r where r.run_id = v_run_id);
    v_deleted := v_deleted || v_run_id;
    exit when v_left <= 0;
  end loop;

  return json_build_object(
    'deleted', to_json(v_deleted),
    'has_more', exists (
      select from singularity_workflow.runs r where r.run_id = any (p_run_ids)));
end;
$function$;

comment on function singularity_workflow.delete_runs(uuid[], integer) is
  'Delete ended runs with all their rows, in bounded parts.';
