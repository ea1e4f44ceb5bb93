-- singularity_workflow.read_workflow: one version as a definition.
--
-- Called by  Store.read_workflow, for workers that meet a version they do not know
-- Locks      none
-- Errors     SW404
create or replace function singularity_workflow.read_workflow(p_workflow_id integer)
returns json        -- as register_workflow takes it
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_definition json;
begin
  select json_build_object(
    'name', f.name, 'options', f.options, 'input_schema', f.input_schema,
    'compensation', f.compensation,
    'steps', (
      select json_agg(json_build_object(
        'name', w.name, 'initial_tasks', w.initial_tasks, 'workflow', w.child_workflow,
        'kind', case when w.over_step_no = w.step_no then 'undo' else w.kind end,
        'over', (select o.name from singularity_workflow.workflow_steps o
                 where o.workflow_id = w.workflow_id and o.step_no = w.over_step_no and o.step_no <> w.step_no),
        'depends_on', coalesce((
          select json_agg(p.name order by p.step_no)
          from singularity_workflow.workflow_step_dependencies d
          join singularity_workflow.workflow_steps p
            on p.workflow_id = d.workflow_id and p.step_no = d.depends_on_no
          where d.workflow_id = w.workflow_id and d.step_no = w.step_no), '[]'),
        'options', w.options) order by w.step_no)
      from singularity_workflow.workflow_steps w where w.workflow_id = f.workflow_id))
  into v_definition
  from singularity_workflow.workflows f where f.workflow_id = p_workflow_id;

  if not found then
    raise exception using errcode = 'SW404',
      message = format('no version of a workflow has the number %s', p_workflow_id);
  end if;
  return v_definition;
end;
$function$;

comment on function singularity_workflow.read_workflow(integer) is
  'The definition of one version.';
