-- singularity_workflow.list_workflows: the registered workflows and their versions.
--
-- Called by  Store.list_workflows; public
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.list_workflows(p_name text default null)
returns json
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select coalesce(json_agg(json_build_object(
      'workflow_id', f.workflow_id, 'name', f.name, 'version', f.version,
      'created_at', f.created_at, 'options', f.options, 'input_schema', f.input_schema,
      'steps', (
        select json_agg(json_build_object(
          'step_no', w.step_no, 'name', w.name, 'initial_tasks', w.initial_tasks,
          'kind', case when w.over_step_no = w.step_no then 'undo' else w.kind end,
          'workflow', w.child_workflow,
          'over', (select o.name from singularity_workflow.workflow_steps o
                   where o.workflow_id = w.workflow_id and o.step_no = w.over_step_no),
          'depends_on', coalesce((
            select json_agg(p.name order by p.step_no)
            from singularity_workflow.workflow_step_dependencies d
            join singularity_workflow.workflow_steps p
              on p.workflow_id = d.workflow_id and p.step_no = d.depends_on_no
            where d.workflow_id = w.workflow_id and d.step_no = w.step_no), '[]'),
          'options', w.options, 'created_at', w.created_at) order by w.step_no)
        from singularity_workflow.workflow_steps w where w.workflow_id = f.workflow_id)
      ) order by f.name, f.registered_at desc, f.workflow_id desc), '[]')
    from singularity_workflow.workflows f
    where p_name is null or f.name = p_name);
end;
$function$;

comment on function singularity_workflow.list_workflows(text) is
  'Workflows with their steps and dependencies, the latest version of each first.';
