-- singularity_workflow.run_output: the result of a run, computed on read.
--
-- Called by  ended_reply
-- Locks      none
-- Errors     none
--
-- From each final step's name to its output; a final step that was skipped is absent.
create or replace function singularity_workflow.run_output(p_run_id uuid, p_workflow_id integer)
returns json
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
      select coalesce(json_object_agg(w.name, s.output order by w.step_no), '{}')
      from singularity_workflow.workflow_steps w
      join singularity_workflow.step_states s on s.run_id = p_run_id and s.step_no = w.step_no
      where w.workflow_id = p_workflow_id and w.dependent_count = 0 and s.status = 'completed');
end;
$function$;

comment on function singularity_workflow.run_output(uuid, integer) is
  'The outputs of a run''s completed final steps, by name.';
