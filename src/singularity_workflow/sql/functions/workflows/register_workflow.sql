-- singularity_workflow.register_workflow: make a definition known; the same one twice is one.
--
-- Called by  Store.register_workflow; public
-- Locks      advisory lock on the workflow's lower-cased name, to the end of the transaction
-- Errors     SW400 (check_definition; a name that differs only by case)
--
-- The version is the hash of the shape: steps, edges, kinds, conditions, modes. A
-- new shape is a new version, runs of the old one keep theirs. Options are tuned in
-- place, but never turned back by an older build that registers what it always had:
-- the hash of every options set seen is kept, and one that was seen before and is
-- not current changes nothing unless p_force is given.
create or replace function singularity_workflow.register_workflow(
  p_definition jsonb,
  p_force      boolean default false
)
returns jsonb                 -- {workflow_id, name, version, outcome: compiled | verified}
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_name text := p_definition->>'name';
  v_options jsonb := coalesce(nullif(p_definition->'options', 'null'), '{}');
  v_shape jsonb;
  v_version text;
  v_hash text;
  v_workflow singularity_workflow.workflows;
  v_other text;
  v_outcome text := 'verified';
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  perform singularity_workflow.check_definition(p_definition);
  perform pg_advisory_xact_lock(
    hashtextextended('singularity_workflow.workflow.' || lower(v_name), 0));

  select w.name into v_other
  from singularity_workflow.workflows w
  where lower(w.name) = lower(v_name) and w.name <> v_name limit 1;
  if found then
    raise exception using errcode = 'SW400', detail = '/name',
      message = format('a workflow %L exists, which differs from %L only by case', v_other, v_name);
  end if;

  v_shape := singularity_workflow.workflow_shape(p_definition);
  v_version := left(encode(sha256(convert_to(v_shape::text, 'UTF8')), 'hex'), 16);
  v_hash := md5(jsonb_build_array(v_options, p_definition->'input_schema', (
    select jsonb_agg(s.value->'options' order by s.ordinality)
    from jsonb_array_elements(p_definition->'steps') with ordinality s))::text
    || coalesce(p_definition->>'compensation', ''));

  select w.* into v_workflow
  from singularity_workflow.workflows w where w.name = v_name and w.version = v_version;

  if not found then
    insert into singularity_workflow.workflows
      (name, version, shape, options, input_schema, step_count, has_root_maps, options_seen, compensation)
    values (v_name, v_version, v_shape, v_options,
            nullif(p_definition->'input_schema', 'null')::json,
            jsonb_array_length(v_shape),
            v_shape @? '$[*] ? (@.kind == "map" && !exists(@.depends_on))', array[v_hash],
            p_definition->>'compensation')
    returning * into v_workflow;
    perform singularity_workflow.store_steps(v_workflow.workflow_id, p_definition);
    v_outcome := 'compiled';
  elsif v_hash <> v_workflow.options_seen[cardinality(v_workflow.options_seen)]
        and (p_force or v_hash <> all (v_workflow.options_seen)) then
    update singularity_workflow.workflows w
    set options = v_options, compensation = p_definition->>'compensation',
        input_schema = nullif(p_definition->'input_schema', 'null')::json,
        options_seen = array_remove(w.options_seen, v_hash) || v_hash
    where w.workflow_id = v_workflow.workflow_id;
    perform singularity_workflow.store_steps(v_workflow.workflow_id, p_definition);
  end if;

  if p_force then
    update singularity_workflow.workflows w set registered_at = clock_timestamp()
    where w.workflow_id = v_workflow.workflow_id;
  end if;

  return jsonb_build_object('workflow_id', v_workflow.workflow_id, 'name', v_name,
                            'version', v_version, 'outcome', v_outcome);
end;
$function$;

comment on function singularity_workflow.register_workflow(jsonb, boolean) is
  'Register a definition and return its version; idempotent, safe for many callers at once.';
