-- singularity_workflow.count_down_runs: take ended steps off their runs' count.
--
-- Called by  start_runs, report_tasks, open_steps and start_compensation, with the runs
--            locked
-- Locks      runs, already held; inserts timers
-- Errors     none
create or replace function singularity_workflow.count_down_runs(
  p_ended singularity_workflow.step_key[],
  p_now   timestamptz
)
returns uuid[]                -- the runs that completed
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_completed uuid[];
  v_has_parents boolean;
begin
  with ended as (
    select e.run_id, count(*)::int as steps from unnest(p_ended) e group by e.run_id
  ),
  counted as (
    update singularity_workflow.runs r
    set remaining_steps = r.remaining_steps - e.steps,
        status = case when r.remaining_steps = e.steps then 'completed' else r.status end,
        ended_at = case when r.remaining_steps = e.steps then p_now end
    from ended e
    cross join lateral (
      select o.ctid from singularity_workflow.runs o
      where o.run_id = e.run_id and o.status in ('started', 'paused')
      offset 0) x
    where r.ctid = x.ctid
    returning r.run_id, r.status, r.parent_run_id
  )
  select array_agg(c.run_id), coalesce(bool_or(c.parent_run_id is not null), false)
  into v_completed, v_has_parents
  from counted c where c.status = 'completed';
  if v_has_parents then
    perform singularity_workflow.runs_ended(v_completed);
  end if;
  return v_completed;
end;
$function$;

comment on function singularity_workflow.count_down_runs(singularity_workflow.step_key[], timestamptz) is
  'Count ended steps; complete the runs that have none left.';
