-- singularity_workflow.runs_ended: leave behind what the end of runs means for others.
--
-- Called by  count_down_runs, fail_runs, cancel_runs, with the runs locked
-- Locks      none: it inserts timers that are due now
-- Errors     none
--
-- The end of a run never touches another run: a child would lock its parent after
-- itself, a parent its children, and they would wait for each other. fire_timers goes
-- on from here, one level of runs at a time. Children of tasks that were cancelled are
-- seen to by cancel_tasks.
create or replace function singularity_workflow.runs_ended(p_run_ids uuid[])
returns void
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
  with ended as (
    select r.run_id, r.status, r.parent_run_id, r.parent_step_no, r.parent_task_index,
           r.parent_attempt, w.compensation is not null as is_undone
    from unnest(p_run_ids) p (run_id)
    cross join lateral (
      select r.* from singularity_workflow.runs r where r.run_id = p.run_id offset 0) r
    cross join lateral (
      select w.compensation from singularity_workflow.workflows w
      where w.workflow_id = r.workflow_id offset 0) w
  )
  insert into singularity_workflow.timers (kind, run_id, step_no, task_index, attempt, due_at)
  select 'child', e.parent_run_id, e.parent_step_no, e.parent_task_index, e.parent_attempt,
         singularity_workflow.now()
  from ended e where e.parent_run_id is not null
  union all
  select 'compensate', e.run_id, null, null, null, singularity_workflow.now()
  from ended e where e.is_undone and e.status <> 'completed';
end;
$function$;

comment on function singularity_workflow.runs_ended(uuid[]) is
  'Set the timers by which parents and compensations learn of an end.';
