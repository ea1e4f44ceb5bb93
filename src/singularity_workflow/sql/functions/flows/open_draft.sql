-- singularity_workflow.open_draft: copy the latest version of a workflow into a draft.
--
-- Called by  add_flow_step, under the lock of the name
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.open_draft(p_name text)
returns bigint                -- draft_id
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_workflow_id integer := singularity_workflow.latest_version(p_name);
  v_draft_id bigint;
begin
  insert into singularity_workflow.flow_drafts (name, options, input_schema, compensation)
  select w.name, w.options, w.input_schema, w.compensation
  from singularity_workflow.workflows w where w.workflow_id = v_workflow_id
  returning draft_id into v_draft_id;

  insert into singularity_workflow.flow_draft_steps
    (draft_id, step_no, name, kind, depends_on, over, initial_tasks, child_workflow, options,
     created_at)
  with steps as materialized (
    select w.* from singularity_workflow.workflow_steps w where w.workflow_id = v_workflow_id
  ),
  edges as materialized (
    select d.step_no, array_agg(p.name order by p.step_no) as names
    from singularity_workflow.workflow_step_dependencies d
    join steps p on p.step_no = d.depends_on_no
    where d.workflow_id = v_workflow_id
    group by d.step_no
  )
  select v_draft_id, s.step_no, s.name, s.kind, coalesce(e.names, '{}'), o.name,
         s.initial_tasks, s.child_workflow, s.options, s.created_at
  from steps s
  left join edges e on e.step_no = s.step_no
  left join steps o on o.step_no = s.over_step_no;

  return v_draft_id;
end;
$function$;

comment on function singularity_workflow.open_draft(text) is
  'Make a draft that is as the latest version of a workflow.';
