-- singularity_workflow.pause_runs: let runs start nothing more until they are resumed.
--
-- Called by  Store.pause_runs, follow_parents for the children of paused runs; public
-- Locks      runs in order of run_id
-- Errors     SW410
--
-- One row of the run changes, whatever its size: tasks that run go on to their end,
-- queued ones are put aside when a claim meets them, and timers that come due wait for
-- the resumption. The deadline stands still. Children are paused by timers due now.
create or replace function singularity_workflow.pause_runs(
  p_run_ids uuid[],
  p_reason  text default null
)
returns json                  -- [[run id, status before, is changed], …]; unknown ids are absent
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
  v_reply json;
  v_paused uuid[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  perform singularity_workflow.lock_runs(p_run_ids, true);

  with found as (
    select r.run_id, r.status, r.status in ('pending', 'started') as is_changed
    from singularity_workflow.runs r where r.run_id = any (p_run_ids)
  ),
  paused as (
    update singularity_workflow.runs r
    set status = 'paused', paused_at = v_now, reason = p_reason
    from found f where r.run_id = f.run_id and f.is_changed
  ),
  children as (
    insert into singularity_workflow.timers (kind, run_id, due_at)
    select 'children', f.run_id, singularity_workflow.now()
    from found f where f.is_changed and singularity_workflow.has_open_children(f.run_id)
  )
  select coalesce(json_agg(json_build_array(f.run_id, f.status, f.is_changed)), '[]'),
         array_agg(f.run_id) filter (where f.is_changed)
  into v_reply, v_paused from found f;
  perform singularity_workflow.record_change('workflow_paused', v_paused, p_reason, v_now);
  return v_reply;
end;
$function$;

comment on function singularity_workflow.pause_runs(uuid[], text) is
  'Pause runs; running tasks finish, nothing more starts.';
