-- singularity_workflow.open_steps: let runs begin whose steps have been written.
--
-- Called by  copy_run, start_compensation, with runs that nobody else knows yet
-- Locks      none but those runs' rows
-- Errors     none
create or replace function singularity_workflow.open_steps(
  p_run_id        uuid,
  p_ended         singularity_workflow.step_key[],   -- that count down their dependents
  p_roots         singularity_workflow.step_key[],   -- that wait for nothing
  p_now           timestamptz,
  p_level         smallint,
  p_told          singularity_workflow.step_key[],   -- ended in this call
  out p_announced bigint,
  out p_ended_run uuid[],                            -- the run, if that was all
  out p_events    bigint[]                           -- positions of the events
)
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
  v_advanced record;
  v_tasks record;
  v_turns record;
begin
  v_advanced := singularity_workflow.advance_steps(p_ended, p_now, p_roots);
  v_tasks := singularity_workflow.create_tasks(
    v_advanced.p_started, null, 0, '{}', null, p_now);
  v_turns := singularity_workflow.release_serial(array[p_run_id], null, 0, '{}', null, p_now);
  p_announced := least(v_tasks.p_announced, v_turns.p_announced);
  p_ended_run := coalesce(v_advanced.p_failed_runs, '{}')
    || coalesce(singularity_workflow.count_down_runs(v_advanced.p_completed, p_now), '{}');
  if p_level > 0 then
    p_events := singularity_workflow.record_events(
      p_now, p_level, array[p_run_id], p_ended => p_told || v_advanced.p_completed,
      p_started => v_tasks.p_others, p_ended_runs => p_ended_run);
  end if;
end;
$function$;

comment on function singularity_workflow.open_steps(
  uuid, singularity_workflow.step_key[], singularity_workflow.step_key[], timestamptz, smallint,
  singularity_workflow.step_key[]) is
  'Start the steps of a new run that wait for nothing more.';
