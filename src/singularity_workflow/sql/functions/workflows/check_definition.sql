-- singularity_workflow.check_definition: refuse a definition that cannot run.
--
-- Called by  register_workflow, save_flow
-- Locks      none
-- Errors     SW400 with the JSON pointer of the first problem in `detail`
--
-- Python finds every problem at once and says how to mend it; this is the guard
-- for all other callers, and for a client that is older than the rules.
create or replace function singularity_workflow.check_definition(p_definition jsonb)
returns void
language plpgsql
immutable
set search_path = ''
as $function$
declare
  c_name constant text := '^[a-zA-Z_][a-zA-Z0-9_]*$';
  c_reserved constant text[] := array['input', 'run_input', 'ctx', 'item', 'index'];
  v_problem record;
begin
  if jsonb_typeof(p_definition) is distinct from 'object'
     or jsonb_typeof(p_definition->'steps') is distinct from 'array' then
    raise exception using errcode = 'SW400',
      message = 'a definition is an object with "name" and an array of "steps"';
  end if;

  with steps as (
    select s.ordinality::int - 1 as no, s.value as step,
           s.value->>'name' as name, coalesce(s.value->>'kind', 'single') as kind,
           case jsonb_typeof(s.value->'depends_on')
             when 'array' then s.value->'depends_on' else '[]' end as depends_on
    from jsonb_array_elements(p_definition->'steps') with ordinality s
  ),
  edges as (
    select s.no, s.name, d.ordinality - 1 as at, d.value as dependency, k.name is not null as is_known
    from steps s cross join jsonb_array_elements_text(s.depends_on) with ordinality d
    left join (select distinct n.name from steps n) k on k.name = d.value
  ),
  problems as (
    select -1 as no, '/name' as pointer,
           format('%L is not a valid workflow name', p_definition->>'name') as message
    where p_definition->>'name' is null or p_definition->>'name' !~ c_name
       or length(p_definition->>'name') > 128
       or lower(p_definition->>'name') = any (c_reserved)
    union all
    select -1, '/steps', 'a workflow needs at least one step'
    where not exists (select from steps)
    union all
    select -1, '/steps', format('%s steps are more than 32767', s.size)
    from (select count(*) as size from steps) s where s.size > 32767
    union all
    select s.no, format('/steps/%s/name', s.no), format('%L is not a valid step name', s.name)
    from steps s
    where s.name is null or s.name !~ c_name or length(s.name) > 128
       or lower(s.name) = any (c_reserved)
    union all
    select max(s.no), format('/steps/%s/name', max(s.no)),
           format('two steps are called %L, but for upper and lower case', max(s.name))
    from steps s group by lower(s.name) having count(*) > 1
    union all
    select s.no, format('/steps/%s/kind', s.no), format('%L is not a kind of step', s.kind)
    from steps s
    where s.kind not in ('single', 'map') and (s.kind <> 'undo' or not p_definition ? 'undoes')
    union all
    select e.no, format('/steps/%s/depends_on/%s', e.no, e.at),
           format('step %L depends on %s', e.name,
                  case when e.dependency = e.name then 'itself'
                       else format('%L, which does not exist', e.dependency) end)
    from edges e
    where e.dependency = e.name or not e.is_known
    union all
    select s.no, format('/steps/%s/over', s.no),
           format('map step %L must name, in "over", the one dependency that it maps over', s.name)
    from steps s
    where s.kind = 'map'
      and (s.step->>'over' is null and jsonb_array_length(s.depends_on) > 1
           and s.depends_on <@ jsonb_build_array(s.depends_on->0) is false
           or s.step->>'over' is not null and not s.depends_on ? (s.step->>'over'))
    union all
    select s.no, format('/steps/%s/%s', s.no, o.key), format('%s is an option of map steps', o.key)
    from steps s cross join unnest(array['over', 'initial_tasks']) o (key)
    where s.kind <> 'map' and s.step->>o.key is not null
    union all
    select s.no, format('/steps/%s/initial_tasks', s.no), 'initial_tasks must be an integer >= 0'
    from steps s
    where s.step->>'initial_tasks' is not null and s.step->>'initial_tasks' !~ '^[0-9]{1,9}$'
    union all
    select s.no, format('/steps/%s/workflow', s.no), format('%s is not a valid workflow name', s.step->'workflow')
    from steps s
    where s.step->'workflow' <> 'null'
      and (jsonb_typeof(s.step->'workflow') <> 'string' or s.step->>'workflow' !~ c_name
           or length(s.step->>'workflow') > 128)
    union all
    select s.no, format('/steps/%s/options/%s', s.no, o.key), format('%s is an option of map steps', o.key)
    from steps s cross join unnest(array['max_concurrency', 'on_error']) o (key)
    where s.kind <> 'map' and s.step->'options'->>o.key is not null
    union all
    select s.no, format('/steps/%s/depends_on', s.no), 'depends_on must be an array of names'
    from steps s
    where jsonb_typeof(s.step->'depends_on') not in ('array', 'null')
       or jsonb_path_exists(s.depends_on, 'strict $[*] ? (@.type() != "string")')
    union all
    select -1, o.pointer, o.message
    from singularity_workflow.check_options(p_definition->'options', '/options') o
    union all
    select s.no, o.pointer, o.message
    from steps s
    cross join singularity_workflow.check_options(
      s.step->'options', format('/steps/%s/options', s.no)) o
    where s.step->'options' not in ('null', '{}')   -- most steps of a large workflow have none
  )
  select p.pointer, p.message into v_problem
  from problems p order by p.no, p.pointer limit 1;

  if found then
    raise exception using errcode = 'SW400', message = v_problem.message,
      detail = v_problem.pointer;
  end if;

  perform singularity_workflow.check_acyclic(p_definition);
end;
$function$;

comment on function singularity_workflow.check_definition(jsonb) is
  'Raise SW400 unless the definition can be registered.';
