-- singularity_workflow.walk_runs: the next runs along the narrowest index for a filter.
--
-- Called by  list_runs, which looks at each of them
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.walk_runs(
  p_filter   jsonb,
  p_statuses text[],
  p_tags     text[],
  p_versions integer[],
  p_before   uuid,
  p_limit    integer
)
returns uuid[]                -- newest first
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $function$
declare
  c_first constant uuid := '00000000-0000-0000-0000-000000000000';
  c_last constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  -- clocks differ: the bounds of the walk are wider than those that are checked
  v_from uuid := coalesce(singularity_workflow.first_run_id(
    (p_filter->>'since')::timestamptz - interval '10 minutes'), c_first);
  v_to uuid := least(p_before, coalesce(singularity_workflow.first_run_id(
    (p_filter->>'until')::timestamptz + interval '10 minutes'), c_last));
begin
  if p_filter ? 'parent' then
    return array(
      select r.run_id from singularity_workflow.runs r
      where r.parent_run_id = (p_filter->>'parent')::uuid and r.run_id >= v_from and r.run_id < v_to
      order by r.run_id desc limit p_limit);
  elsif p_filter ? 'origin' then
    return array(
      select r.run_id from singularity_workflow.runs r
      where r.origin_run_id = (p_filter->>'origin')::uuid and r.run_id >= v_from and r.run_id < v_to
      order by r.run_id desc limit p_limit);
  elsif cardinality(p_tags) > 0 then
    return array(
      select t.run_id from singularity_workflow.run_tags t
      where t.tag = p_tags[1] and t.run_id >= v_from and t.run_id < v_to
      order by t.run_id desc limit p_limit);
  elsif cardinality(p_statuses) > 0 and p_statuses <@ array['failed', 'cancelled'] then
    return array(
      select r.run_id from singularity_workflow.runs r
      where r.status in ('failed', 'cancelled') and r.run_id >= v_from and r.run_id < v_to
      order by r.run_id desc limit p_limit);
  elsif cardinality(p_statuses) > 0 and p_statuses <@ array['pending', 'started', 'paused'] then
    return array(
      select r.run_id from singularity_workflow.runs r
      where r.status in ('pending', 'started', 'paused') and r.run_id >= v_from and r.run_id < v_to
      order by r.run_id desc limit p_limit);
  elsif p_versions is not null then
    return array(
      select v.run_id
      from unnest(p_versions) w (workflow_id)
      cross join lateral (
        select r.run_id from singularity_workflow.runs r
        -- as rows: with an equality the order could come from the primary key, which is a
        -- walk over all runs for a workflow that has few
        where (r.workflow_id::bigint, r.run_id) >= (w.workflow_id::bigint, v_from)
          and (r.workflow_id::bigint, r.run_id) < (w.workflow_id::bigint, v_to)
        order by r.workflow_id::bigint desc, r.run_id desc limit p_limit) v
      order by v.run_id desc limit p_limit);
  end if;
  return array(
    select r.run_id from singularity_workflow.runs r
    where r.run_id >= v_from and r.run_id < v_to
    order by r.run_id desc limit p_limit);
end;
$function$;

comment on function singularity_workflow.walk_runs(jsonb, text[], text[], integer[], uuid, integer) is
  'Ids of the next runs to look at for a filter.';
