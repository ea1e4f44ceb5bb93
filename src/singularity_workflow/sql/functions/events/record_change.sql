-- singularity_workflow.record_change: store one event of each of some runs.
--
-- Called by  pause_runs, resume_runs, cancel_runs
-- Locks      the instance-wide lock of NOTIFY, from the commit on
-- Errors     none
--
-- The end of a goal is told in front of that of its run, which is the last of all.
create or replace function singularity_workflow.record_change(
  p_type    text,
  p_run_ids uuid[],
  p_reason  text,
  p_now     timestamptz
)
returns void
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  v_runs uuid[];
  v_events text[];
begin
  select array_agg(r.run_id order by p.place, x.part), array_agg(x.event order by p.place, x.part)
  into v_runs, v_events
  from unnest(p_run_ids) with ordinality p (run_id, place)
  cross join lateral (
    select r.run_id,
           case when p_type = 'workflow_cancelled' and r.goal->>'goal_hash' is not null then
             singularity_workflow.goal_event('goal_cancelled', r.run_id, r.input, r.goal, p_reason) end as goal
    from singularity_workflow.runs r
    where r.run_id = p.run_id and r.event_level > 0 offset 0) r
  cross join lateral (
    values (1, r.goal), (2, json_build_object('type', p_type, 'reason', p_reason)::text)) x (part, event)
  where x.event is not null;
  if v_runs is not null then
    perform singularity_workflow.send_hints(
      null, '{}', array[singularity_workflow.append_events(v_runs, v_events, p_now)]);
  end if;
end;
$function$;

comment on function singularity_workflow.record_change(text, uuid[], text, timestamptz) is
  'Store that runs were paused, resumed or cancelled, and notify listeners.';
