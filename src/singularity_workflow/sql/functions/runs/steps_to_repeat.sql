-- singularity_workflow.steps_to_repeat: the steps whose results a copy of a run must not reuse.
--
-- Called by  copy_run, with the source locked
-- Locks      none
-- Errors     SW406 no such step, SW409 not possible in the source's status
--
-- Of a fork the chosen step, of a retry those that a compensation has undone; and in
-- both cases all that depends on them.
create or replace function singularity_workflow.steps_to_repeat(
  p_source    singularity_workflow.runs,
  p_from_step text                      -- null: a retry
)
returns smallint[]
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_first smallint[];
  v_missing record;
  v_compensations uuid[];
  v_undoing text;
begin
  if p_from_step is not null then
    select array_agg(w.step_no) into v_first
    from singularity_workflow.workflow_steps w
    where w.workflow_id = p_source.workflow_id and w.name = p_from_step;
    if v_first is null then
      raise exception using errcode = 'SW406',
        message = format('the workflow of run %s has no step %L', p_source.run_id, p_from_step);
    end if;

    select w.name, s.status into v_missing
    from singularity_workflow.workflow_step_dependencies d
    join singularity_workflow.step_states s
      on s.run_id = p_source.run_id and s.step_no = d.depends_on_no
    join singularity_workflow.workflow_steps w
      on w.workflow_id = d.workflow_id and w.step_no = d.depends_on_no
    where d.workflow_id = p_source.workflow_id and d.step_no = any (v_first)
      and s.status not in ('completed', 'skipped')
    order by d.depends_on_no limit 1;
    if found then
      raise exception using errcode = 'SW409', detail = v_missing.status,
        message = format('run %s cannot be forked from step %L: step %L, which it depends on, is %s',
                         p_source.run_id, p_from_step, v_missing.name, v_missing.status),
        hint = 'Fork from a step whose dependencies have completed, or from an earlier one.';
    end if;
  elsif p_source.status not in ('failed', 'cancelled') then
    raise exception using errcode = 'SW409', detail = p_source.status,
      message = format('run %s cannot be retried: it is %s, not failed or cancelled',
                       p_source.run_id, p_source.status);
  end if;

  -- a compensation may itself have been repeated
  with recursive undoing as (
    select c.run_id, c.status from singularity_workflow.runs c
    where c.origin_run_id = p_source.run_id and c.origin_kind = 'compensation'
    union all
    select c.run_id, c.status from undoing u
    join singularity_workflow.runs c
      on c.origin_run_id = u.run_id and c.origin_kind in ('retry', 'fork')
  )
  select array_agg(u.run_id),
         min(u.run_id::text) filter (where u.status in ('pending', 'started', 'paused'))
  into v_compensations, v_undoing from undoing u;

  if v_undoing is null and v_compensations is null and exists (
    select from singularity_workflow.workflows f
    join singularity_workflow.workflow_steps u
      on u.workflow_id = singularity_workflow.compensation_of(f.workflow_id)
    join singularity_workflow.workflow_steps w
      on w.workflow_id = f.workflow_id and w.name = u.name
    join singularity_workflow.tasks t
      on t.run_id = p_source.run_id and t.step_no = w.step_no and t.status = 'completed'
    where f.workflow_id = p_source.workflow_id and f.compensation is not null)
    and exists (
      select from singularity_workflow.timers t
      where t.due_at <= singularity_workflow.now() + interval '2 minutes'  -- it may be put off
        and t.kind = 'compensate'
        and t.run_id = p_source.run_id)
  then
    raise exception using errcode = 'SW409', detail = p_source.status,
      message = format('run %s cannot be repeated: what it did is about to be undone',
                       p_source.run_id),
      hint = 'Wait until the compensation has ended.';
  elsif v_undoing is not null then
    raise exception using errcode = 'SW409', detail = p_source.status,
      message = format('run %s cannot be repeated while run %s undoes what it did',
                       p_source.run_id, v_undoing),
      hint = 'Wait until the compensation has ended.';
  end if;

  return array(
    with recursive again as (
      select f.step_no from unnest(v_first) f (step_no)
      union
      select w.step_no
      from singularity_workflow.runs c
      join singularity_workflow.step_states s on s.run_id = c.run_id and s.status <> 'skipped'
      join singularity_workflow.workflow_steps u
        on u.workflow_id = c.workflow_id and u.step_no = s.step_no
      join singularity_workflow.workflow_steps w
        on w.workflow_id = p_source.workflow_id and w.name = u.name
      where c.run_id = any (v_compensations)
      union
      select d.step_no
      from again a
      join singularity_workflow.workflow_step_dependencies d
        on d.workflow_id = p_source.workflow_id and d.depends_on_no = a.step_no
    )
    select a.step_no from again a);
end;
$function$;

comment on function singularity_workflow.steps_to_repeat(singularity_workflow.runs, text) is
  'Steps that a retry or fork runs again although they may have completed.';
