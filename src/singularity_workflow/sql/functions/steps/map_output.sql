-- singularity_workflow.map_output: the outputs of a map's elements, in element order.
--
-- Called by  finish_tasks and skip_tasks, after the last task of the step
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.map_output(p_run_id uuid, p_step_no smallint)
returns json
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_collects boolean;
begin
  select w.on_error = 'collect' into v_collects
  from singularity_workflow.runs r
  join singularity_workflow.workflow_steps w
    on w.workflow_id = r.workflow_id and w.step_no = p_step_no
  where r.run_id = p_run_id;

  return (
    select coalesce(json_agg(
             case t.status when 'completed' then t.output
               else json_build_object('error', json_build_object(
                 'type', t.error->'type', 'message', t.error->'message')) end
             order by t.task_index), '[]')
    from singularity_workflow.tasks t
    where t.run_id = p_run_id and t.step_no = p_step_no
      and (t.status = 'completed' or v_collects and t.status = 'failed'));
end;
$function$;

comment on function singularity_workflow.map_output(uuid, smallint) is
  'The array of a map step''s outputs; skipped elements are left out, collected errors in place.';
