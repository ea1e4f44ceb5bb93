-- singularity_workflow.cancel_runs: end runs that nobody wants any more.
--
-- Called by  Store.cancel_runs, fire_batch (deadlines), follow_parents; public
-- Locks      runs in order of run_id → step_states → tasks, messages (SKIP LOCKED)
-- Errors     SW410
--
-- Runs that have ended already are passed over. Queued tasks never start; a task that
-- runs is told by its worker's next heartbeat, and what it reports is refused. Children
-- and compensation follow by timers that are due now (runs_ended).
create or replace function singularity_workflow.cancel_runs(p_run_ids uuid[], p_reason text default null)
returns uuid[]                -- those that were cancelled by this call
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
  v_now timestamptz := clock_timestamp();
  v_cancelled uuid[];
  v_run_id uuid;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  perform singularity_workflow.lock_runs(p_run_ids, true);

  update singularity_workflow.runs r
  set status = 'cancelled', ended_at = v_now, reason = p_reason
  where r.run_id = any (p_run_ids) and r.status in ('pending', 'started', 'paused');

  -- in key order, as claims take their tasks
  select coalesce(array_agg(r.run_id order by r.run_id), '{}') into v_cancelled
  from singularity_workflow.runs r
  where r.run_id = any (p_run_ids) and r.status = 'cancelled' and r.ended_at = v_now;

  update singularity_workflow.step_states s
  set status = 'cancelled', ended_at = v_now
  where s.run_id = any (v_cancelled) and s.status in ('created', 'started');

  foreach v_run_id in array v_cancelled loop
    perform singularity_workflow.cancel_tasks(v_run_id, 0::smallint, 32767::smallint, v_now);
  end loop;
  perform singularity_workflow.runs_ended(v_cancelled);
  perform singularity_workflow.record_change('workflow_cancelled', v_cancelled, p_reason, v_now);
  return v_cancelled;
end;
$function$;

comment on function singularity_workflow.cancel_runs(uuid[], text) is
  'Cancel runs that have not ended.';
