-- singularity_workflow.tasks_to_undo: what a run has done that a compensation undoes.
--
-- Called by  start_compensation
-- Locks      none
-- Errors     none
--
-- Its completed tasks, and those that were cancelled while they waited for a child that
-- had completed already. A fork, and whatever retries it, undoes only what it did itself:
-- the run that it took the rest over from may have completed.
create or replace function singularity_workflow.tasks_to_undo(p_run_id uuid)
returns table (step_no smallint, task_index integer, item json, output json)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set jit = off
as $function$
#variable_conflict use_column
declare
  v_since timestamptz;
begin
  with recursive chain as (
    select r.origin_run_id, r.origin_kind, r.created_at
    from singularity_workflow.runs r where r.run_id = p_run_id
    union all
    select o.origin_run_id, o.origin_kind, o.created_at
    from chain c
    join singularity_workflow.runs o on o.run_id = c.origin_run_id
    where c.origin_kind = 'retry'
  )
  select max(c.created_at) into v_since from chain c where c.origin_kind = 'fork';

  return query
  select t.step_no, t.task_index, t.item,
         case when c.run_id is not null then singularity_workflow.run_output(c.run_id)
              when w.kind = 'map' then t.output else s.output end
  from singularity_workflow.runs r
  join singularity_workflow.tasks t on t.run_id = r.run_id
  join singularity_workflow.workflow_steps w
    on w.workflow_id = r.workflow_id and w.step_no = t.step_no
  join singularity_workflow.step_states s on s.run_id = r.run_id and s.step_no = t.step_no
  left join singularity_workflow.runs c
    on t.status = 'cancelled' and c.parent_run_id = t.run_id and c.parent_step_no = t.step_no
   and c.parent_task_index = t.task_index and c.parent_attempt = t.attempt
   and c.status = 'completed'
  where r.run_id = p_run_id
    and (t.status = 'completed' and t.ended_at >= coalesce(v_since, '-infinity')
         or c.run_id is not null);
end;
$function$;

comment on function singularity_workflow.tasks_to_undo(uuid) is
  'The tasks of a run whose effects are its own and have to be undone.';
