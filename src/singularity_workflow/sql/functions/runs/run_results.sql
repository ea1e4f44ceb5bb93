-- singularity_workflow.run_results: the ends of those of the runs that have ended.
--
-- Called by  Store.run_results, for waiters that poll
-- Locks      none
-- Errors     SW405
create or replace function singularity_workflow.run_results(p_run_ids uuid[])
returns json                    -- as ended_reply; null: none has ended
language plpgsql
stable
set search_path = ''
as $function$
declare
  v_missing uuid;
begin
  select p.run_id into v_missing
  from unnest(p_run_ids) p (run_id)
  where not exists (select from singularity_workflow.runs r where r.run_id = p.run_id)
  limit 1;
  if found then
    raise exception using errcode = 'SW405', message = format('no run has the id %s', v_missing),
      hint = 'If it was started with connection=, its transaction must commit first.';
  end if;
  return singularity_workflow.ended_reply(p_run_ids, p_run_ids);
end;
$function$;

comment on function singularity_workflow.run_results(uuid[]) is
  'Status, result and error of the runs that have ended.';
