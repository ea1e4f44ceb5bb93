-- singularity_workflow.list_runs: one page of runs, newest first.
--
-- Called by  Store.list_runs; public
-- Locks      none
-- Errors     SW403 input or output is no condition
--
-- p_filter is an object of what a run must match: statuses, workflow, tags (all of
-- them), since and until (of its creation), input and output (a pattern that must be
-- contained, or an SQL/JSON path), parent and origin. Run ids are ordered by creation,
-- so the last id of a page is the key of the next.
--
-- A page walks along the narrowest index and looks at p_scan runs at most, whatever the
-- filter: so none takes long, and one that finds little comes back short, or empty, with
-- the place to go on from.
create or replace function singularity_workflow.list_runs(
  p_filter jsonb default '{}',
  p_before uuid default null,          -- only runs older than this one
  p_limit  integer default 50,
  p_scan   integer default 2500
)
returns json                           -- {runs: […], next: run id to go on before; null: all seen}
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  v_statuses text[] := case when p_filter ? 'statuses' then array(
    select jsonb_array_elements_text(p_filter->'statuses')) end;
  v_tags text[] := array(select jsonb_array_elements_text(coalesce(p_filter->'tags', '[]')));
  v_since timestamptz := p_filter->>'since';
  v_until timestamptz := p_filter->>'until';
  v_versions integer[];
  v_input jsonb := singularity_workflow.condition_to_find(p_filter->'input');
  v_output jsonb := singularity_workflow.condition_to_find(p_filter->'output');
  v_chunk integer := p_limit + 1;
  v_found uuid[];
  v_page uuid[] := '{}';
  v_next uuid := p_before;
  v_has_more boolean := true;
  v_wrong text;
begin
  -- without the condition the filter would mean more runs than its author wants
  select format('%s = %s is no pattern and no SQL/JSON path', g.key, g.value) into v_wrong
  from (values ('input', p_filter->'input', v_input), ('output', p_filter->'output', v_output))
       g (key, value, condition)
  where g.value <> 'null' and g.condition is null limit 1;
  if found then
    raise exception using errcode = 'SW403', message = v_wrong;
  end if;

  if p_filter ? 'workflow' then
    v_versions := array(select w.workflow_id from singularity_workflow.workflows w
                        where w.name = p_filter->>'workflow');
  end if;
  if v_output is not null then
    p_scan := greatest(1, p_scan / 25);       -- an output is put together from the final steps
  elsif v_input is not null then
    p_scan := greatest(1, p_scan / 10);       -- each input is parsed anew
  end if;

  while v_has_more and cardinality(v_page) < p_limit and p_scan > 0 loop
    v_chunk := least(v_chunk, p_scan);
    p_scan := p_scan - v_chunk;
    v_found := singularity_workflow.walk_runs(p_filter, v_statuses, v_tags, v_versions, v_next, v_chunk);
    v_has_more := cardinality(v_found) = v_chunk;

    v_page := v_page || array(
      select r.run_id
      from unnest(v_found) with ordinality f (run_id, place)
      cross join lateral (
        select r.* from singularity_workflow.runs r where r.run_id = f.run_id offset 0) r
      where (v_statuses is null or r.status = any (v_statuses))
        and (v_versions is null or r.workflow_id = any (v_versions))
        and r.tags @> v_tags
        and (p_filter->>'parent' is null or r.parent_run_id = (p_filter->>'parent')::uuid)
        and (p_filter->>'origin' is null or r.origin_run_id = (p_filter->>'origin')::uuid)
        and (v_since is null or r.created_at >= v_since)
        and (v_until is null or r.created_at < v_until)
        and (v_input is null or singularity_workflow.holds(v_input, coalesce(r.input, 'null')))
        and (v_output is null or r.status = 'completed' and singularity_workflow.holds(
               v_output, singularity_workflow.run_output(r.run_id)))
      order by f.place
      limit p_limit - cardinality(v_page));
    if cardinality(v_page) = p_limit then
      v_has_more := v_has_more or v_page[p_limit] <> v_found[cardinality(v_found)];
      v_next := v_page[p_limit];
    elsif v_has_more then
      v_next := v_found[v_chunk];
    end if;
    v_chunk := 4 * v_chunk;
  end loop;

  return json_build_object(
    'next', case when v_has_more then v_next end,
    'runs', (
      select coalesce(json_agg(json_build_object(
        'id', r.run_id, 'workflow', w.name, 'version', w.version, 'status', r.status,
        'priority', r.priority, 'tags', r.tags, 'metadata', r.metadata,
        'parent_id', r.parent_run_id, 'origin_id', r.origin_run_id, 'origin_kind', r.origin_kind,
        'created_at', r.created_at, 'started_at', r.started_at, 'ended_at', r.ended_at)
        order by p.place), '[]')
      from unnest(v_page) with ordinality p (run_id, place)
      join singularity_workflow.runs r on r.run_id = p.run_id
      join singularity_workflow.workflows w on w.workflow_id = r.workflow_id));
end;
$function$;

comment on function singularity_workflow.list_runs(jsonb, uuid, integer, integer) is
  'Runs that match a filter, newest first, and where the next page begins.';
