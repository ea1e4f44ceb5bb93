-- singularity_workflow.check_acyclic: refuse a definition whose steps wait in a circle.
--
-- Called by  check_definition, after the names were checked
-- Locks      none
-- Errors     SW400 with the steps that wait for each other
create or replace function singularity_workflow.check_acyclic(p_definition jsonb)
returns void
language plpgsql
immutable
set search_path = ''
as $function$
declare
  v_order integer[] := singularity_workflow.step_order(p_definition);
begin
  if cardinality(v_order) < jsonb_array_length(p_definition->'steps') then
    raise exception using errcode = 'SW400',
      message = format('these steps wait for each other in a circle: %s', (
        select string_agg(s.value->>'name', ', ' order by s.ordinality)
        from jsonb_array_elements(p_definition->'steps') with ordinality s
        where s.ordinality::int not in (select unnest(v_order)))),
      detail = '/steps';
  end if;
end;
$function$;

comment on function singularity_workflow.check_acyclic(jsonb) is
  'Raise SW400 if steps of the definition depend on each other in a circle.';
