-- singularity_workflow.run_status: all there is to know about one run, but its payloads.
--
-- Called by  Store.run_status; public
-- Locks      none
-- Errors     SW405
create or replace function singularity_workflow.run_status(p_run_id uuid)
returns json
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_status json;
begin
  select json_build_object(
    'run_id', r.run_id, 'workflow', f.name, 'version', f.version, 'status', r.status,
    'priority', r.priority, 'tags', r.tags, 'idempotency_key', r.idempotency_key,
    'reason', r.reason, 'error', r.error, 'owner', r.owner,
    'created_at', r.created_at, 'started_at', r.started_at, 'ended_at', r.ended_at,
    'deadline_at', r.deadline_at, 'paused_at', r.paused_at, 'metadata', r.metadata,
    'parent_id', r.parent_run_id, 'origin_id', r.origin_run_id, 'origin_kind', r.origin_kind,
    'compensation_id', (
      select c.run_id from singularity_workflow.runs c
      where c.origin_run_id = r.run_id and c.origin_kind = 'compensation' limit 1),
    'steps', s.steps, 'total_steps', s.total, 'completed_steps', s.completed,
    'skipped_steps', s.skipped, 'failed_steps', s.failed,
    'total_tasks', t.total, 'completed_tasks', t.completed, 'failed_tasks', t.failed,
    'started_tasks', t.started, 'queued_tasks', t.queued, 'waiting_tasks', t.waiting)
  into v_status
  from singularity_workflow.runs r
  join singularity_workflow.workflows f on f.workflow_id = r.workflow_id
  cross join lateral (
    select count(*) as total, count(*) filter (where c.status = 'completed') as completed,
           count(*) filter (where c.status = 'skipped') as skipped,
           count(*) filter (where c.status = 'failed') as failed,
           json_agg(json_build_object(
             'name', w.name, 'status', c.status, 'workflow', w.child_workflow,
             'kind', case when w.over_step_no = w.step_no then 'undo' else w.kind end,
             'remaining_deps', c.remaining_deps, 'initial_tasks', c.initial_tasks,
             'remaining_tasks', c.remaining_tasks, 'skip_reason', c.skip_reason, 'error', c.error,
             'attempts', case when c.error is not null then (
               select max(k.failures) from singularity_workflow.tasks k
               where k.run_id = c.run_id and k.step_no = c.step_no) end,
             'created_at', c.created_at, 'started_at', c.started_at, 'ended_at', c.ended_at) order by w.step_no) as steps
    from singularity_workflow.step_states c
    join singularity_workflow.workflow_steps w
      on w.workflow_id = r.workflow_id and w.step_no = c.step_no
    where c.run_id = r.run_id) s
  cross join lateral (
    select count(*) as total, count(*) filter (where k.status = 'completed') as completed,
           count(*) filter (where k.status = 'failed') as failed,
           count(*) filter (where k.status = 'started') as started,
           count(*) filter (where k.status = 'queued') as queued,
           count(*) filter (where k.status = 'waiting') as waiting
    from singularity_workflow.tasks k where k.run_id = r.run_id) t
  where r.run_id = p_run_id;

  if v_status is null then
    raise exception using errcode = 'SW405', message = format('no run has the id %s', p_run_id);
  end if;
  return v_status;
end;
$function$;

comment on function singularity_workflow.run_status(uuid) is
  'The status of a run, of its steps, and the counts of its tasks.';
