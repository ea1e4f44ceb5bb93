-- singularity_workflow.claim_tasks: the next tasks of some queues, started for a worker.
--
-- Called by  Store.claim_tasks; public
-- Locks      as take_tasks
-- Errors     SW410
create or replace function singularity_workflow.claim_tasks(
  p_worker_id  uuid,
  p_queues     text[],
  p_n          integer,
  p_low        bigint default 0,
  p_known_maps singularity_workflow.step_key[] default '{}',
  p_lost       boolean default true    -- may bring one task that was lost before
)
returns json                  -- {work, last, head, timers, events}
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
  v_taken record;
  v_events bigint[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  if singularity_workflow.is_dead(p_worker_id) then
    p_n := 0;
  end if;
  v_taken := singularity_workflow.take_tasks(p_worker_id, p_queues, p_low, p_n, clock_timestamp(), p_lost);
  if v_taken.p_has_events and cardinality(v_taken.p_taken) > 0 then
    v_events := singularity_workflow.record_events(
      clock_timestamp(), 2::smallint, p_taken => v_taken.p_taken);
  end if;
  return json_build_object(
    'work', singularity_workflow.task_reply(v_taken.p_taken, '{}', p_known_maps),
    'last', v_taken.p_last,
    'head', v_taken.p_head,
    'timers', singularity_workflow.next_timer_in(),
    'events', v_events);
end;
$function$;

comment on function singularity_workflow.claim_tasks(
  uuid, text[], integer, bigint, singularity_workflow.step_key[], boolean) is
  'Start the n most urgent queued tasks of the queues for a worker.';
