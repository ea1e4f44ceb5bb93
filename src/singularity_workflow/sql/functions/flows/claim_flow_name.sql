-- singularity_workflow.claim_flow_name: be alone with a workflow's name, if it is one.
--
-- Called by  create_flow, add_flow_step, save_flow
-- Locks      advisory lock on the lower-cased name, to the end of the transaction
-- Errors     SW400 the name is not possible, or differs from another one only by case
--
-- The lock is that of register_workflow: who changes a draft, freezes it or deletes its
-- workflow does so one after the other.
create or replace function singularity_workflow.claim_flow_name(p_name text)
returns boolean               -- whether there is a workflow or a draft of this name
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_other text;
begin
  if p_name is null or p_name !~ '^[a-zA-Z_][a-zA-Z0-9_]*$' or length(p_name) > 128
     or lower(p_name) in ('input', 'run_input', 'ctx', 'item', 'index') then
    raise exception using errcode = 'SW400', detail = '/name',
      message = format('%L is not a valid workflow name', p_name),
      hint = 'Use up to 128 letters, digits and underscores, no digit first, no reserved word.';
  end if;

  perform pg_advisory_xact_lock(
    hashtextextended('singularity_workflow.workflow.' || lower(p_name), 0));

  select n.name into v_other
  from (select w.name from singularity_workflow.workflows w where lower(w.name) = lower(p_name)
        union all
        select d.name from singularity_workflow.flow_drafts d where lower(d.name) = lower(p_name)) n
  order by n.name <> p_name desc
  limit 1;

  if v_other <> p_name then
    raise exception using errcode = 'SW400', detail = '/name',
      message = format('a workflow %L exists, which differs from %L only by case', v_other, p_name),
      hint = format('Use %L, or another name.', v_other);
  end if;
  return v_other is not null;
end;
$function$;

comment on function singularity_workflow.claim_flow_name(text) is
  'Lock the name of a workflow and tell whether it is taken.';
