-- singularity_workflow.list_flows: one page of workflows, by name.
--
-- Called by  Store.list_flows; public
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.list_flows(
  p_after text default null,    -- only names behind this one
  p_limit integer default 500
)
returns json                    -- an array of what read_flow gives
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select coalesce(json_agg(singularity_workflow.read_flow(n.name) order by n.name), '[]')
    from (
      select f.name
      from (select d.name from singularity_workflow.flow_drafts d
            union select w.name from singularity_workflow.workflows w) f
      where p_after is null or f.name > p_after
      order by f.name
      limit p_limit) n);
end;
$function$;

comment on function singularity_workflow.list_flows(text, integer) is
  'Workflows with their steps, each as a draft if it has one, else as its latest version.';
