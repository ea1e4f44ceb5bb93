-- singularity_workflow.find_flow: what a start of a workflow would run.
--
-- Called by  Store.find_flow, freeze_flow, read_flow
-- Locks      none
-- Errors     SW404
--
-- "revision" tells two sets of options of one version apart, "draft" two states of a draft:
-- steps are only ever added to it, and saving makes a new one.
create or replace function singularity_workflow.find_flow(p_name text)
returns jsonb                 -- {name, workflow_id, version, revision, draft}; null: there is none
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_found jsonb;
begin
  select jsonb_build_object(
    'name', p_name, 'workflow_id', w.workflow_id, 'version', w.version,
    'revision', w.options_seen[cardinality(w.options_seen)],
    'draft', d.draft_id || ':' || coalesce((
      select max(s.step_no) from singularity_workflow.flow_draft_steps s
      where s.draft_id = d.draft_id), -1))
  into v_found
  from (select) one
  left join singularity_workflow.workflows w
    on w.workflow_id = singularity_workflow.latest_version(p_name)
  left join singularity_workflow.flow_drafts d on d.name = p_name
  where w.workflow_id is not null or d.draft_id is not null;

  if not found then
    raise exception using errcode = 'SW404',
      message = format('there is no workflow %L', p_name),
      hint = 'Open it first, with create_flow.';
  end if;
  return v_found;
end;
$function$;

comment on function singularity_workflow.find_flow(text) is
  'The latest version of a workflow, and whether there is a draft of the next one.';
