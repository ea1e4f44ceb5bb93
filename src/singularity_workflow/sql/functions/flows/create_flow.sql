-- singularity_workflow.create_flow: open the draft of a dynamic workflow.
--
-- Called by  Store.create_flow; public
-- Locks      advisory lock on the name (claim_flow_name)
-- Errors     SW400 a name or option that is not possible, SW410
--
-- A name that exists, as a draft or as a version, is left as it is: a program that
-- builds its workflow each time it starts may do so again.
create or replace function singularity_workflow.create_flow(
  p_name         text,
  p_options      jsonb default '{}',
  p_input_schema json default null
)
returns jsonb                 -- {name, outcome: created | existing}
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_problem record;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;

  if singularity_workflow.claim_flow_name(p_name) then
    return jsonb_build_object('name', p_name, 'outcome', 'existing');
  end if;

  p_options := coalesce(nullif(p_options, 'null'), '{}');
  select o.pointer, o.message into v_problem
  from singularity_workflow.check_options(p_options, '/options') o
  order by o.pointer limit 1;
  if found then
    raise exception using errcode = 'SW400', message = v_problem.message,
      detail = v_problem.pointer;
  end if;

  insert into singularity_workflow.flow_drafts (name, options, input_schema)
  values (p_name, p_options, p_input_schema);
  return jsonb_build_object('name', p_name, 'outcome', 'created');
end;
$function$;

comment on function singularity_workflow.create_flow(text, jsonb, json) is
  'Open a draft, unless there is a workflow of this name.';
