-- singularity_workflow.draft_definition: a draft as a definition.
--
-- Called by  freeze_flow, under the lock of the name
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.draft_definition(p_draft_id bigint)
returns jsonb                 -- as register_workflow takes it
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select jsonb_build_object(
      'name', d.name, 'options', d.options, 'input_schema', d.input_schema,
      'compensation', d.compensation,
      'steps', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'name', s.name, 'kind', s.kind, 'depends_on', s.depends_on, 'over', s.over,
          'initial_tasks', s.initial_tasks, 'workflow', s.child_workflow, 'options', s.options) order by s.step_no), '[]')
        from singularity_workflow.flow_draft_steps s where s.draft_id = d.draft_id))
    from singularity_workflow.flow_drafts d where d.draft_id = p_draft_id);
end;
$function$;

comment on function singularity_workflow.draft_definition(bigint) is
  'The definition that a draft stands for.';
