-- singularity_workflow.delete_workflow: delete a workflow with all its runs, a batch a call.
--
-- Called by  Store.delete_workflow; public
-- Locks      advisory lock on the name; then in the first call runs, as a table; in the
--            others runs in order of run_id → tasks
-- Errors     SW404 no such workflow, SW410, SW423 it has live runs
--
-- The first call hides all versions and the draft: from its commit on no run can be
-- started, and what is left goes with the further calls, which take what the one before
-- returned as p_after. A deletion that broke off is taken up by calling it again. A
-- workflow of the same name may be registered meanwhile; it is another one.
create or replace function singularity_workflow.delete_workflow(
  p_name  text,
  p_limit integer default 500,  -- rows a call
  p_after uuid default null     -- runs up to this one are gone; null: the first call
)
returns json                    -- {deleted: rows, after, is_done}
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_limit integer := greatest(p_limit, 1);
  v_versions integer[];
  v_runs uuid[];
  v_deleted integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  perform pg_advisory_xact_lock(
    hashtextextended('singularity_workflow.workflow.' || lower(p_name), 0));

  if p_after is null then
    v_deleted := singularity_workflow.hide_workflow(p_name);
    return json_build_object('deleted', v_deleted, 'is_done', false,
                             'after', '00000000-0000-0000-0000-000000000000');
  end if;

  v_versions := array(
    select f.workflow_id from singularity_workflow.deleted_flows f
    where f.name = p_name and f.workflow_id is not null);

  if cardinality(v_versions) > 0 then
    v_runs := array(
      select o.run_id
      from unnest(v_versions) v (workflow_id)
      cross join lateral (
        select r.run_id from singularity_workflow.runs r
        where r.workflow_id::bigint = v.workflow_id::bigint and r.run_id > p_after
        order by r.run_id limit v_limit) o
      order by o.run_id limit v_limit);
    if cardinality(v_runs) > 0 then
      v_deleted := singularity_workflow.delete_run_rows(v_runs, v_limit, p_name);
      return json_build_object(
        'deleted', v_deleted, 'is_done', false,
        'after', case when v_deleted < v_limit then v_runs[cardinality(v_runs)] else p_after end);
    end if;
  end if;

  v_deleted := singularity_workflow.delete_definition_rows(p_name, v_limit);
  return json_build_object('deleted', v_deleted, 'is_done', v_deleted < v_limit, 'after', p_after);
end;
$function$;

comment on function singularity_workflow.delete_workflow(text, integer, uuid) is
  'Delete a workflow, its versions, draft and runs, in batches; refused while runs are live.';
