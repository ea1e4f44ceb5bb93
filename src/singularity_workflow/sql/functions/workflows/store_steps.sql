-- singularity_workflow.store_steps: write the steps and edges of a version, or retune them.
--
-- Called by  register_workflow, under its lock
-- Locks      the version's rows in workflow_steps
-- Errors     none
--
-- What the hot path reads of an option (queue, priority, start delay) is resolved
-- here, once, so that no claim ever looks into the options.
create or replace function singularity_workflow.store_steps(
  p_workflow_id integer,
  p_definition  jsonb
)
returns void
language plpgsql
volatile
set search_path = ''
as $function$
begin
  insert into singularity_workflow.workflow_steps as w (
    workflow_id, step_no, name, kind, over_step_no, initial_tasks, dependency_count,
    dependent_count, feeds_map, queue, priority, start_delay, queue_timeout, on_failure,
    condition, on_unmet, child_workflow, max_concurrency, on_error, options, rank)
  with steps as materialized (
    select (s.ordinality - 1)::smallint as no, s.value->>'name' as name,
           coalesce(s.value->>'kind', 'single') as kind, s.value->>'over' as over,
           (s.value->>'initial_tasks')::int as initial_tasks, s.value->>'workflow' as child_workflow,
           coalesce(nullif(s.value->'options', 'null'), '{}') as options,
           case jsonb_typeof(s.value->'depends_on')
             when 'array' then s.value->'depends_on' else '[]' end as depends_on
    from jsonb_array_elements(p_definition->'steps') with ordinality s
  ),
  edges as materialized (
    select distinct d.no as parent_no, s.no as child_no
    from steps s cross join jsonb_array_elements_text(s.depends_on) e
    join steps d on d.name = e.value
  ),
  parents as (
    select e.child_no as no, count(*) as size, min(e.parent_no) as first from edges e group by 1
  ),
  children as (
    select e.parent_no as no, count(*) as size from edges e group by 1
  ),
  mapped as (
    select s.no, coalesce(o.no, case when p.size = 1 then p.first end) as over_no
    from steps s left join steps o on o.name = s.over left join parents p on p.no = s.no
    where s.kind = 'map'
  ),
  ranks as (
    select (o.place - 1)::smallint as no, o.rank::smallint as rank
    from unnest(singularity_workflow.step_order(p_definition)) with ordinality o (place, rank)
  )
  -- an undo step maps over what its run keeps for it, which is found under its own number
  select p_workflow_id, s.no, s.name, case s.kind when 'undo' then 'map' else s.kind end,
         case s.kind when 'undo' then s.no else m.over_no end, s.initial_tasks,
         coalesce(p.size, 0), coalesce(c.size, 0),
         s.no in (select f.over_no from mapped f where f.over_no is not null),
         lower(coalesce(s.options->>'queue', p_definition->'options'->>'queue', 'default')),
         coalesce((s.options->>'priority')::int, 0),
         nullif((s.options->>'start_delay')::float8, 0) * interval '1 second',
         coalesce(s.options->>'queue_timeout', p_definition->'options'->>'queue_timeout')::float8
           * interval '1 second',
         coalesce(s.options->>'on_failure', p_definition->'options'->>'on_failure', 'fail'),
         nullif(case when n."when" is null then '{}' else jsonb_build_object('when', n."when") end
                || case when n.when_not is null then '{}' else jsonb_build_object('when_not', n.when_not) end, '{}'),
         coalesce(s.options->>'on_unmet', p_definition->'options'->>'on_unmet', 'skip'),
         s.child_workflow, (s.options->>'max_concurrency')::int,
         coalesce(s.options->>'on_error', 'fail'),
         s.options, o.rank
  from steps s
  left join ranks o on o.no = s.no
  left join mapped m on m.no = s.no
  left join parents p on p.no = s.no
  left join children c on c.no = s.no
  cross join lateral (
    select singularity_workflow.condition_to_find(s.options->'when') as "when",
           singularity_workflow.condition_to_find(s.options->'when_not') as when_not) n
  on conflict (workflow_id, step_no) do update
  set queue = excluded.queue, priority = excluded.priority,
      start_delay = excluded.start_delay, queue_timeout = excluded.queue_timeout,
      max_concurrency = excluded.max_concurrency, options = excluded.options, rank = excluded.rank
  where w.options is distinct from excluded.options or w.queue <> excluded.queue
     or w.queue_timeout is distinct from excluded.queue_timeout or w.rank is null;

  insert into singularity_workflow.workflow_step_dependencies
    (workflow_id, depends_on_no, step_no)
  with steps as materialized (
    select (s.ordinality - 1)::smallint as no, s.value->>'name' as name,
           case jsonb_typeof(s.value->'depends_on')
             when 'array' then s.value->'depends_on' else '[]' end as depends_on
    from jsonb_array_elements(p_definition->'steps') with ordinality s
  )
  select distinct p_workflow_id, d.no, s.no
  from steps s cross join jsonb_array_elements_text(s.depends_on) e
  join steps d on d.name = e.value
  on conflict do nothing;
end;
$function$;

comment on function singularity_workflow.store_steps(integer, jsonb) is
  'Write the steps and dependencies of a version; a second time, only the options change.';
