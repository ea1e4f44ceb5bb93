-- singularity_workflow.workflow_shape: what decides the version of a definition.
--
-- Called by  register_workflow
-- Locks      none
-- Errors     none
--
-- Dependencies stand in the order of step numbers and without repeats, so that the
-- order in which somebody wrote them makes no version; nor does a mode that is written
-- out but holds anyway. Tunable options are left out.
create or replace function singularity_workflow.workflow_shape(p_definition jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $function$
  with steps as (
    select s.ordinality as no, s.value as step,
           coalesce(nullif(s.value->'options', 'null'), '{}') as options
    from jsonb_array_elements(p_definition->'steps') with ordinality s
  ),
  edges as (
    select distinct s.no, d.no as depends_on_no, d.step->>'name' as depends_on
    from steps s
    cross join jsonb_array_elements_text(
      case jsonb_typeof(s.step->'depends_on') when 'array' then s.step->'depends_on' else '[]' end) e
    join steps d on d.step->>'name' = e.value
  ),
  dependencies as (
    select e.no, jsonb_agg(e.depends_on order by e.depends_on_no) as depends_on, count(*) as size
    from edges e group by e.no
  )
  select jsonb_agg(shape.step order by s.no)
  from steps s
  left join dependencies d on d.no = s.no
  cross join lateral (
    -- not jsonb_strip_nulls: it would change a pattern that asks for a null
    select jsonb_object_agg(f.key, f.value) as step
    from jsonb_each(jsonb_build_object(
      'name', s.step->'name',
      'kind', coalesce(s.step->>'kind', 'single'),
      'depends_on', d.depends_on,
      'over', coalesce(s.step->>'over',
                       case when s.step->>'kind' = 'map' and d.size = 1 then d.depends_on->>0 end),
      'initial_tasks', s.step->'initial_tasks',
      'when', s.options->'when',
      'when_not', s.options->'when_not',
      'workflow', s.step->'workflow',
      'on_error', nullif(s.options->'on_error', '"fail"'),
      'on_unmet', coalesce(s.options->>'on_unmet', p_definition->'options'->>'on_unmet', 'skip'),
      'on_failure', coalesce(s.options->>'on_failure', p_definition->'options'->>'on_failure', 'fail')
    )) f
    where f.value <> 'null') shape;
$function$;

comment on function singularity_workflow.workflow_shape(jsonb) is
  'The part of a definition whose change makes a new version.';
