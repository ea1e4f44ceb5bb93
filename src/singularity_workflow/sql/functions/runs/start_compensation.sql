-- singularity_workflow.start_compensation: undo what a failed or cancelled run has done.
--
-- Called by  fire_batch
-- Locks      none but its new rows; the timer, which the caller holds, lets one try it
-- Errors     none
--
-- The undoing is a run like any other, of the workflow that `compensation` names: so it
-- is durable, retried, listed, and can itself be retried. Each of its steps maps over
-- the completed tasks of the step of the same name, as {index, item, output}; a step
-- that has none is skipped, and if there is nothing to undo at all, no run is made.
create or replace function singularity_workflow.start_compensation(
  p_run_id        uuid,
  p_now           timestamptz,
  out p_announced bigint,
  out p_ended     uuid[],
  out p_events    bigint[]
)
language plpgsql
volatile
set search_path = ''
set jit = off
as $function$
declare
  v_origin record;
  v_id uuid;
  v_skipped singularity_workflow.step_key[];
  v_roots singularity_workflow.step_key[];
  v_opened record;
begin
  select r.*, singularity_workflow.compensation_of(r.workflow_id) as undo_id into v_origin
  from singularity_workflow.runs r
  where r.run_id = p_run_id and r.status in ('failed', 'cancelled')
    and not exists (
      select from singularity_workflow.runs c
      where c.origin_run_id = r.run_id and c.origin_kind = 'compensation');

  if v_origin.undo_id is null or not exists (
    select from singularity_workflow.workflow_steps u
    join singularity_workflow.workflow_steps w
      on w.workflow_id = v_origin.workflow_id and w.name = u.name
     and (u.kind = 'single' or u.over_step_no = u.step_no)
    join singularity_workflow.tasks_to_undo(p_run_id) t on t.step_no = w.step_no
    where u.workflow_id = v_origin.undo_id)
  then
    return;
  end if;

  v_id := singularity_workflow.new_run_id();
  insert into singularity_workflow.runs (
    run_id, workflow_id, status, remaining_steps, order_key, priority, owner, serial, tags,
    metadata, goal, input, created_at, started_at, traceparent, origin_run_id, origin_kind, event_level)
  select v_id, w.workflow_id, 'started', w.step_count, v_origin.order_key, v_origin.priority,
         v_origin.owner, v_origin.serial, v_origin.tags, v_origin.metadata,
         -- it is not that of the goal, but what is not to be told stays so
         case when v_origin.goal->>'redact' = 'true' then '{"redact": true}'::json end, v_origin.input,
         p_now, p_now, v_origin.traceparent, p_run_id, 'compensation', v_origin.event_level
  from singularity_workflow.workflows w where w.workflow_id = v_origin.undo_id;
  if not found then
    return;       -- it was deleted meanwhile
  end if;

  insert into singularity_workflow.run_tags (tag, run_id)
  select distinct t.tag, v_id from unnest(v_origin.tags) t (tag);

  with done as materialized (
    select t.* from singularity_workflow.tasks_to_undo(p_run_id) t
  ),
  planned as materialized (
    select u.step_no, u.dependency_count, d.done
    from singularity_workflow.workflow_steps u
    left join singularity_workflow.workflow_steps w
      on w.workflow_id = v_origin.workflow_id and w.name = u.name
     and (u.kind = 'single' or u.over_step_no = u.step_no)  -- another map has other elements
    cross join lateral (
      select json_agg(json_build_object(
               'index', t.task_index, 'item', t.item, 'output', t.output)
               order by t.task_index) as done
      from done t where t.step_no = w.step_no) d
    where u.workflow_id = v_origin.undo_id
  ),
  states as (
    -- the elements wait where map_elements looks for them: in the output of the step
    insert into singularity_workflow.step_states (
      run_id, step_no, status, remaining_deps, output, skip_reason, created_at, ended_at)
    select v_id, p.step_no, case when p.done is null then 'skipped' else 'created' end,
           p.dependency_count, p.done, case when p.done is null then 'nothing to undo' end,
           p_now, case when p.done is null then p_now end
    from planned p
  )
  select coalesce(array_agg((v_id, p.step_no)::singularity_workflow.step_key)
                  filter (where p.done is null), '{}'),
         coalesce(array_agg((v_id, p.step_no)::singularity_workflow.step_key)
                  filter (where p.done is not null and p.dependency_count = 0), '{}')
  into v_skipped, v_roots
  from planned p;

  perform singularity_workflow.count_down_runs(v_skipped, p_now);
  v_opened := singularity_workflow.open_steps(
    v_id, v_skipped, v_roots, p_now, v_origin.event_level, v_skipped);
  p_announced := v_opened.p_announced;
  p_ended := v_opened.p_ended_run;
  p_events := v_opened.p_events;
end;
$function$;

comment on function singularity_workflow.start_compensation(uuid, timestamptz) is
  'Start the run that undoes the completed tasks of another.';
