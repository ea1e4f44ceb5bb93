-- singularity_workflow.read_flow: a workflow as it would be started.
--
-- Called by  Store.read_flow, list_flows
-- Locks      none
-- Errors     SW404
create or replace function singularity_workflow.read_flow(p_name text)
returns json     -- what find_flow gives, a definition's members, and times of creation
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_found jsonb := singularity_workflow.find_flow(p_name);
  v_workflow_id integer := v_found->>'workflow_id';
  v_flow json;
begin
  if v_found->>'draft' is not null then
    select json_build_object(
      'name', d.name, 'workflow_id', v_workflow_id, 'version', v_found->>'version',
      'revision', v_found->>'revision', 'draft', v_found->>'draft', 'options', d.options,
      'input_schema', d.input_schema, 'compensation', d.compensation, 'created_at', d.created_at,
      'steps', (
        select coalesce(json_agg(json_build_object(
          'name', s.name, 'kind', s.kind, 'depends_on', s.depends_on, 'over', s.over,
          'initial_tasks', s.initial_tasks, 'workflow', s.child_workflow, 'options', s.options,
          'created_at', s.created_at) order by s.step_no), '[]')
        from singularity_workflow.flow_draft_steps s where s.draft_id = d.draft_id))
    into v_flow
    from singularity_workflow.flow_drafts d where d.name = p_name;
    return v_flow;
  end if;

  with steps as materialized (
    select w.* from singularity_workflow.workflow_steps w where w.workflow_id = v_workflow_id
  ),
  edges as materialized (
    select e.step_no, json_agg(p.name order by p.step_no) as names
    from singularity_workflow.workflow_step_dependencies e
    join steps p on p.step_no = e.depends_on_no
    where e.workflow_id = v_workflow_id
    group by e.step_no
  )
  select json_build_object(
    'name', f.name, 'workflow_id', f.workflow_id, 'version', f.version,
    'revision', v_found->>'revision', 'draft', null, 'options', f.options,
    'input_schema', f.input_schema, 'compensation', f.compensation, 'created_at', f.created_at,
    'steps', (
      select json_agg(json_build_object(
        'name', s.name, 'kind', case when s.over_step_no = s.step_no then 'undo' else s.kind end,
        'depends_on', coalesce(e.names, '[]'), 'over', o.name,
        'initial_tasks', s.initial_tasks, 'workflow', s.child_workflow, 'options', s.options,
        'created_at', s.created_at) order by s.step_no)
      from steps s
      left join edges e on e.step_no = s.step_no
      left join steps o on o.step_no = s.over_step_no and o.step_no <> s.step_no))
  into v_flow
  from singularity_workflow.workflows f where f.workflow_id = v_workflow_id;
  return v_flow;
end;
$function$;

comment on function singularity_workflow.read_flow(text) is
  'The draft of a workflow, or else its latest version.';
