-- singularity_workflow.save_flow: store the draft of a dynamic workflow as a whole.
--
-- Called by  Store.save_flow; public
-- Locks      advisory lock on the name (claim_flow_name)
-- Errors     SW400 (check_definition), SW410
--
-- What was there as a draft is replaced; versions stay.
create or replace function singularity_workflow.save_flow(p_definition jsonb)
returns jsonb                 -- {name, steps: their number}
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_name text := p_definition->>'name';
  v_draft_id bigint;
  v_size integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  perform singularity_workflow.check_definition(p_definition);
  perform singularity_workflow.claim_flow_name(v_name);

  delete from singularity_workflow.flow_draft_steps s
  using singularity_workflow.flow_drafts d
  where d.name = v_name and s.draft_id = d.draft_id;
  delete from singularity_workflow.flow_drafts d where d.name = v_name;

  insert into singularity_workflow.flow_drafts (name, options, input_schema, compensation)
  values (v_name, coalesce(nullif(p_definition->'options', 'null'), '{}'),
          nullif(p_definition->'input_schema', 'null')::json, p_definition->>'compensation')
  returning draft_id into v_draft_id;

  insert into singularity_workflow.flow_draft_steps
    (draft_id, step_no, name, kind, depends_on, over, initial_tasks, child_workflow, options)
  select v_draft_id, s.ordinality - 1, s.value->>'name', coalesce(s.value->>'kind', 'single'),
         n.depends_on,
         coalesce(s.value->>'over', case when s.value->>'kind' = 'map' and cardinality(n.depends_on) = 1
                                      then n.depends_on[1] end),
         (s.value->>'initial_tasks')::integer, s.value->>'workflow', coalesce(nullif(s.value->'options', 'null'), '{}')
  from jsonb_array_elements(p_definition->'steps') with ordinality s
  cross join lateral (
    select coalesce(array_agg(d.name order by d.place), '{}') as depends_on
    from (select e.value as name, min(e.ordinality) as place
          from jsonb_array_elements_text(
            case jsonb_typeof(s.value->'depends_on')
              when 'array' then s.value->'depends_on' else '[]' end) with ordinality e
          group by e.value) d) n;
  get diagnostics v_size = row_count;
  return jsonb_build_object('name', v_name, 'steps', v_size);
end;
$function$;

comment on function singularity_workflow.save_flow(jsonb) is
  'Store a definition as the draft of its workflow.';
