-- singularity_workflow.fits_maps: can the maps over a step take this output?
--
-- Called by  report_tasks, for single steps that feed a map
-- Locks      none
-- Errors     none
--
-- An array always can, unless the map asks for another number of elements; anything
-- else only where the map knows its number of tasks itself.
create or replace function singularity_workflow.fits_maps(
  p_workflow_id integer,
  p_step_no     smallint,
  p_output      json
)
returns boolean
language plpgsql
stable
set search_path = ''
as $function$
begin
  return not exists (
    select from singularity_workflow.workflow_step_dependencies d
    join singularity_workflow.workflow_steps m
      on m.workflow_id = d.workflow_id and m.step_no = d.step_no
    where d.workflow_id = p_workflow_id and d.depends_on_no = p_step_no
      and m.over_step_no = p_step_no
      and case json_typeof(p_output)
            when 'array' then m.initial_tasks <> json_array_length(p_output)
            else m.initial_tasks is null end);
end;
$function$;

comment on function singularity_workflow.fits_maps(integer, smallint, json) is
  'Whether every map over the step can map over this output.';
