-- singularity_workflow.step_order: the steps of a definition, each after its dependencies.
--
-- Called by  check_acyclic, store_steps
-- Locks      none
-- Errors     none
--
-- Kahn's algorithm on arrays: linear in steps and edges, and no recursion, so
-- that a chain of ten thousand steps is as welcome as a fan of them.
create or replace function singularity_workflow.step_order(p_definition jsonb)
returns integer[]             -- their places, from 1; those that wait in a circle are missing
language plpgsql
immutable
set search_path = ''
as $function$
declare
  v_names text[];
  v_waits integer[];          -- per step: dependencies that have not been visited
  v_first integer[];          -- per step: where its dependents start in v_dependents
  v_dependents integer[];
  v_queue integer[];
  v_done integer := 0;
  v_child integer;
begin
  select array_agg(s.value->>'name' order by s.ordinality) into v_names
  from jsonb_array_elements(p_definition->'steps') with ordinality s;

  with named as (
    select n.name, n.no::int as no from unnest(v_names) with ordinality n (name, no)
  ),
  edges as materialized (
    select distinct d.no as parent_no, s.ordinality::int as child_no
    from jsonb_array_elements(p_definition->'steps') with ordinality s
    cross join jsonb_array_elements_text(
      case jsonb_typeof(s.value->'depends_on') when 'array' then s.value->'depends_on' else '[]' end) e
    join named d on d.name = e.value
  ),
  fan as (
    select n.no, coalesce(f.size, 0) as size
    from named n
    left join (select e.parent_no, count(*)::int as size from edges e group by 1) f
      on f.parent_no = n.no
  )
  select (select array_agg(coalesce(w.waits, 0) order by n.no)
          from named n
          left join (select e.child_no, count(*)::int as waits from edges e group by 1) w
            on w.child_no = n.no),
         (select array_agg(o.first order by o.no)
          from (select f.no, 1 + coalesce(sum(f.size) over
                  (order by f.no rows between unbounded preceding and 1 preceding), 0)::int as first
                from fan f) o),
         coalesce((select array_agg(e.child_no order by e.parent_no, e.child_no) from edges e), '{}')
  into v_waits, v_first, v_dependents;
  v_first := v_first || (cardinality(v_dependents) + 1);

  select coalesce(array_agg(w.no::int), '{}') into v_queue
  from unnest(v_waits) with ordinality w (waits, no) where w.waits = 0;

  while v_done < cardinality(v_queue) loop
    v_done := v_done + 1;
    for i in v_first[v_queue[v_done]] .. v_first[v_queue[v_done] + 1] - 1 loop
      v_child := v_dependents[i];
      v_waits[v_child] := v_waits[v_child] - 1;
      if v_waits[v_child] = 0 then
        v_queue := v_queue || v_child;
      end if;
    end loop;
  end loop;
  return v_queue;
end;
$function$;

comment on function singularity_workflow.step_order(jsonb) is
  'The steps of a definition in an order in which each comes after its dependencies.';
