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
begin
  return (
    select coalesce(json_agg(t.output order by t.task_index), '[]')
    from singularity_workflow.tasks t
    where t.run_id = p_run_id and t.step_no = p_step_no and t.status = 'completed');
end;
$function$;

comment on function singularity_workflow.map_output(uuid, smallint) is
  'The array of a map step''s outputs; skipped elements are left out.';
