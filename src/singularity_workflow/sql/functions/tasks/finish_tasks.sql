-- singularity_workflow.finish_tasks: complete tasks, and the steps whose last task it was.
--
-- Called by  report_tasks, with the runs locked
-- Locks      tasks and step_states of those runs
-- Errors     none
--
-- A single step's output stands in step_states only, a map element's in its task; when
-- the last element is there, the step's output is the array of them in element order.
create or replace function singularity_workflow.finish_tasks(
  p_done         singularity_workflow.task_outcome[],
  p_now          timestamptz,
  out p_ended    singularity_workflow.step_key[],
  out p_leads_on boolean,           -- some ended step has dependents
  out p_windows  singularity_workflow.step_key[],   -- maps that have room for more tasks
  out p_maps     singularity_workflow.step_key[]    -- of p_ended, the maps
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
  update singularity_workflow.tasks t
  set status = 'completed', ended_at = p_now,
      output = case when d.kind = 'map' then coalesce(d.output, 'null'::json) end
  from unnest(p_done) d
  cross join lateral (
    select k.ctid from singularity_workflow.tasks k
    where k.run_id = d.run_id and k.step_no = d.step_no and k.task_index = d.task_index
    offset 0) x
  where t.ctid = x.ctid;

  with done as materialized (
    select d.run_id, d.step_no, d.kind, d.leads_on, count(*)::int as tasks,
           case d.kind when 'single' then coalesce((array_agg(d.output))[1], 'null'::json) end as output
    from unnest(p_done) d
    group by d.run_id, d.step_no, d.kind, d.leads_on
  ),
  counted as (
    update singularity_workflow.step_states s
    set remaining_tasks = s.remaining_tasks - d.tasks,
        status = case when s.remaining_tasks = d.tasks then 'completed' else s.status end,
        ended_at = case when s.remaining_tasks = d.tasks then p_now end,
        window_used = s.window_used - d.tasks,
        -- of an undo step the elements stand there as long as it is under way
        output = case when s.remaining_tasks > d.tasks then s.output
                      when d.kind = 'single' then d.output
                      else singularity_workflow.map_output(s.run_id, s.step_no) end
    from done d
    cross join lateral (
      select c.ctid from singularity_workflow.step_states c
      where c.run_id = d.run_id and c.step_no = d.step_no and c.status = 'started'
      offset 0) x
    where s.ctid = x.ctid
    returning s.run_id, s.step_no, s.status, d.leads_on, s.window_used, d.kind
  )
  select coalesce(array_agg((c.run_id, c.step_no)::singularity_workflow.step_key)
                  filter (where c.status = 'completed'), '{}'),
         coalesce(bool_or(c.leads_on and c.status = 'completed'), false),
         array_agg((c.run_id, c.step_no)::singularity_workflow.step_key)
           filter (where c.window_used is not null and c.status <> 'completed'),
         array_agg((c.run_id, c.step_no)::singularity_workflow.step_key)
           filter (where c.kind <> 'single' and c.status = 'completed')
  into p_ended, p_leads_on, p_windows, p_maps
  from counted c;
end;
$function$;

comment on function singularity_workflow.finish_tasks(singularity_workflow.task_outcome[], timestamptz) is
  'Complete tasks; complete the steps that have none left.';
