-- singularity_workflow.delete_definition_rows: delete a batch of what no run needs any more.
--
-- Called by  delete_workflow, when no run is left
-- Locks      timers (SKIP LOCKED)
-- Errors     none
--
-- Edges, steps and draft steps of what was hidden, and timers of runs that are gone.
create or replace function singularity_workflow.delete_definition_rows(p_name text, p_limit integer)
returns integer                 -- rows deleted; fewer than p_limit: nothing is left
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_versions integer[] := array(
    select f.workflow_id from singularity_workflow.deleted_flows f
    where f.name = p_name and f.workflow_id is not null);
  v_drafts bigint[] := array(
    select f.draft_id from singularity_workflow.deleted_flows f
    where f.name = p_name and f.draft_id is not null);
  v_left integer := p_limit;
  v_count integer;
begin
  delete from singularity_workflow.workflow_step_dependencies e
  where e.ctid = any (array(
    select d.ctid from singularity_workflow.workflow_step_dependencies d
    where d.workflow_id = any (v_versions) limit v_left));
  get diagnostics v_count = row_count;
  v_left := v_left - v_count;

  if v_left > 0 then
    delete from singularity_workflow.workflow_steps w
    where w.ctid = any (array(
      select s.ctid from singularity_workflow.workflow_steps s
      where s.workflow_id = any (v_versions) limit v_left));
    get diagnostics v_count = row_count;
    v_left := v_left - v_count;
  end if;

  if v_left > 0 then
    delete from singularity_workflow.flow_draft_steps w
    where w.ctid = any (array(
      select s.ctid from singularity_workflow.flow_draft_steps s
      where s.draft_id = any (v_drafts) limit v_left));
    get diagnostics v_count = row_count;
    v_left := v_left - v_count;
  end if;

  if v_left > 0 then
    delete from singularity_workflow.timers t
    where t.timer_id = any (array(
      select o.timer_id from singularity_workflow.timers o
      where not exists (
        select from singularity_workflow.runs r where r.run_id = o.run_id)
      limit v_left for update of o skip locked));
    get diagnostics v_count = row_count;
    v_left := v_left - v_count;
  end if;

  if v_left > 0 then
    delete from singularity_workflow.deleted_flows f where f.name = p_name;
  end if;
  return p_limit - v_left;
end;
$function$;

comment on function singularity_workflow.delete_definition_rows(text, integer) is
  'Delete at most p_limit rows of the definitions of a workflow that was hidden.';
