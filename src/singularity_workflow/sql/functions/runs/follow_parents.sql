-- singularity_workflow.follow_parents: cancel, pause and resume children with their parents.
--
-- Called by  fire_batch, with as many of the children locked as could be had
-- Locks      the runs that are given, held already → step_states → tasks
-- Errors     none
--
-- What is left, because somebody held it or there are too many, goes on from a timer.
create or replace function singularity_workflow.follow_parents(
  p_parents       uuid[],
  p_locked        uuid[],
  out p_ended     uuid[],
  out p_announced bigint
)
language plpgsql
volatile
set search_path = ''
set jit = off
as $function$
declare
  v_group record;
begin
  for v_group in
    select f.action, f.reason, array_agg(f.run_id order by f.run_id) as run_ids
    from singularity_workflow.children_to_follow(p_parents, 1000) f
    where f.run_id = any (p_locked)
    group by f.action, f.reason order by f.action
  loop
    if v_group.action = 'cancel' then
      p_ended := p_ended || singularity_workflow.cancel_runs(v_group.run_ids, v_group.reason);
    elsif v_group.action = 'pause' then
      perform singularity_workflow.pause_runs(v_group.run_ids, 'parent paused');
    else
      p_announced := least(p_announced, (
        singularity_workflow.resume_runs(v_group.run_ids)->>'announced')::bigint);
    end if;
  end loop;

  insert into singularity_workflow.timers (kind, run_id, due_at)
  select 'children', p.run_id, singularity_workflow.now() + interval '20 milliseconds'
  from unnest(p_parents) p (run_id)
  where exists (select from singularity_workflow.children_to_follow(array[p.run_id], 1));
end;
$function$;

comment on function singularity_workflow.follow_parents(uuid[], uuid[]) is
  'Bring child runs to where their parents are.';
