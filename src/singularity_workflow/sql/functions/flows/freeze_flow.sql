-- singularity_workflow.freeze_flow: make the draft of a workflow its latest version.
--
-- Called by  Store.freeze_flow, before the first start; public
-- Locks      advisory lock on the name, to the end of the transaction, if there is a draft
-- Errors     SW400 (register_workflow), SW404 no such workflow, SW410
--
-- Of many who start at once one registers the version; the others wait for it and find
-- it. Without a draft the latest version is returned, and nothing is locked.
create or replace function singularity_workflow.freeze_flow(
  p_name         text,
  p_input_schema json default null     -- that follows from the functions of its steps
)
returns jsonb    -- what find_flow gives; outcome: compiled | verified; frozen: the draft that was
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_draft_id bigint;
  v_definition jsonb;
  v_frozen text;
  v_outcome text := 'verified';
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;

  if exists (select from singularity_workflow.flow_drafts d where d.name = p_name) then
    perform pg_advisory_xact_lock(
      hashtextextended('singularity_workflow.workflow.' || lower(p_name), 0));
    -- a statement of its own: another one may have frozen it meanwhile
    select d.draft_id into v_draft_id
    from singularity_workflow.flow_drafts d where d.name = p_name;
    if found then
      v_frozen := singularity_workflow.find_flow(p_name)->>'draft';
      -- forced: it is the latest version, although an older one may have been like it
      v_definition := singularity_workflow.draft_definition(v_draft_id);
      if p_input_schema is not null then
        v_definition := jsonb_set(v_definition, '{input_schema}', p_input_schema::jsonb);
      end if;
      v_outcome := singularity_workflow.register_workflow(v_definition, p_force => true)->>'outcome';
      delete from singularity_workflow.flow_draft_steps s where s.draft_id = v_draft_id;
      delete from singularity_workflow.flow_drafts d where d.draft_id = v_draft_id;
    end if;
  end if;

  return singularity_workflow.find_flow(p_name)
    || jsonb_build_object('outcome', v_outcome, 'frozen', v_frozen);
end;
$function$;

comment on function singularity_workflow.freeze_flow(text, json) is
  'Register the draft of a workflow, if there is one, and return the latest version.';
