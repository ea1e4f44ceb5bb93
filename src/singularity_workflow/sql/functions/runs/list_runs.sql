-- singularity_workflow.list_runs: one page of runs, newest first.
--
-- Called by  Store.list_runs; public
-- Locks      none
-- Errors     none
--
-- Run ids are ordered by creation, so the last id of a page is the key of the next.
create or replace function singularity_workflow.list_runs(
  p_statuses text[] default null,
  p_workflow text default null,
  p_tags     text[] default null,       -- all of them
  p_since    timestamptz default null,
  p_before   uuid default null,         -- only runs older than this one
  p_limit    integer default 50
)
returns json
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select coalesce(json_agg(p.run order by p.run_id desc), '[]')
    from (
      select r.run_id, json_build_object(
        'id', r.run_id, 'workflow', f.name, 'version', f.version, 'status', r.status,
        'priority', r.priority, 'tags', r.tags, 'created_at', r.created_at,
        'started_at', r.started_at, 'ended_at', r.ended_at) as run
      from singularity_workflow.runs r
      join singularity_workflow.workflows f on f.workflow_id = r.workflow_id
      where (p_statuses is null or r.status = any (p_statuses))
        and (p_workflow is null or f.name = p_workflow)
        and (p_tags is null or r.tags @> p_tags)
        and (p_since is null or r.created_at >= p_since)
        and (p_before is null or r.run_id < p_before)
      order by r.run_id desc
      limit p_limit) p);
end;
$function$;

comment on function singularity_workflow.list_runs(text[], text, text[], timestamptz, uuid, integer) is
  'Runs that match, newest first, older than p_before.';
