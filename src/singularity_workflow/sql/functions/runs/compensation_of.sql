-- singularity_workflow.compensation_of: the version that undoes runs of a version.
--
-- Called by  start_compensation, steps_to_repeat
-- Locks      none
-- Errors     none
--
-- A newer build may have renamed or dropped what an older run has done. So it is the
-- version that knows most of the run's steps, and of those the latest; a step that no
-- worker has code for any more waits there as unserved, and is not forgotten.
create or replace function singularity_workflow.compensation_of(p_workflow_id integer)
returns integer               -- its workflow_id; null: nothing undoes them
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
    select u.workflow_id
    from singularity_workflow.workflows w
    join singularity_workflow.workflows u on u.name = w.compensation
    cross join lateral (
      select count(*) as known
      from singularity_workflow.workflow_steps s
      join singularity_workflow.workflow_steps o
        on o.workflow_id = u.workflow_id and o.name = s.name
      where s.workflow_id = w.workflow_id) k
    where w.workflow_id = p_workflow_id
    order by k.known desc, u.registered_at desc, u.workflow_id desc limit 1);
end;
$function$;

comment on function singularity_workflow.compensation_of(integer) is
  'The version of the compensation that fits a version best.';
