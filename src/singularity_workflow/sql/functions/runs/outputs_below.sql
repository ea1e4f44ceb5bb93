-- singularity_workflow.outputs_below: what steps of some names have given in a run and below it.
--
-- Called by  Store.outputs_below, to count what a goal has used
-- Locks      none
-- Errors     none
--
-- Below a run are its child runs, theirs, and so on.
create or replace function singularity_workflow.outputs_below(
  p_run_id uuid,
  p_steps  text[],
  p_member text               -- the member of each output that is wanted
)
returns json                  -- an array, in no order
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $function$
begin
  return (
    with recursive below (run_id, workflow_id) as (
      select r.run_id, r.workflow_id from singularity_workflow.runs r where r.run_id = p_run_id
      union all
      select c.run_id, c.workflow_id
      from below b join singularity_workflow.runs c on c.parent_run_id = b.run_id
    )
    select coalesce(json_agg(s.output->p_member), '[]')
    from below b
    join singularity_workflow.workflow_steps w
      on w.workflow_id = b.workflow_id and w.name = any (p_steps)
    join singularity_workflow.step_states s
      on s.run_id = b.run_id and s.step_no = w.step_no and s.status = 'completed');
end;
$function$;

comment on function singularity_workflow.outputs_below(uuid, text[], text) is
  'A member of the outputs of steps of some names, in a run and those below it.';
