-- singularity_workflow.skip_steps: skip steps, and if asked whatever depends on them.
--
-- Called by  skip_tasks, skip_failed_steps, advance_steps
-- Locks      step_states of runs that the caller holds
-- Errors     none
--
-- A second call finds nothing to skip and changes nothing.
create or replace function singularity_workflow.skip_steps(
  p_steps   singularity_workflow.step_key[],
  p_reason  text,
  p_error   json,
  p_cascade boolean,
  p_now     timestamptz
)
returns singularity_workflow.step_key[]    -- all that were skipped now
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
  v_skipped singularity_workflow.step_key[];
begin
  with recursive reached as (
    select p.run_id, p.step_no, true as is_first from unnest(p_steps) p
    union
    select d.run_id, d.step_no, false
    from reached c
    join lateral (
      select r.run_id, e.step_no from singularity_workflow.runs r
      join singularity_workflow.workflow_step_dependencies e
        on e.workflow_id = r.workflow_id and e.depends_on_no = c.step_no
      where r.run_id = c.run_id and p_cascade) d on true
  ),
  skipped as (
    update singularity_workflow.step_states s
    set status = 'skipped', ended_at = p_now, remaining_tasks = least(s.initial_tasks, 0),
        skip_reason = case when c.is_first then p_reason else 'dependency skipped' end,
        error = case when c.is_first then p_error end
    from (select x.run_id, x.step_no, bool_or(x.is_first) as is_first
          from reached x group by x.run_id, x.step_no) c
    where s.run_id = c.run_id and s.step_no = c.step_no and s.status in ('created', 'started')
    returning s.run_id, s.step_no
  )
  select coalesce(array_agg((s.run_id, s.step_no)::singularity_workflow.step_key), '{}')
  into v_skipped from skipped s;
  return v_skipped;
end;
$function$;

comment on function singularity_workflow.skip_steps(
  singularity_workflow.step_key[], text, json, boolean, timestamptz) is
  'Mark steps as skipped, with p_cascade all their descendants too.';
