-- singularity_workflow.send_hints: tell whoever listens that there is something to see.
--
-- Called by  Store.send_hints, after the commit that it is about; start_runs and
--            copy_run with p_notify and record_change, inside the caller's transaction
-- Locks      the instance-wide lock of NOTIFY, until commit: so never in a hot commit
-- Errors     none
--
-- A hint is lost without harm: whoever it was for looks by himself now and then. On
-- `singularity_workflow_work` it is the smallest key of the new messages, on
-- `singularity_workflow_events` it is "ended" and ids of runs, as many as fit.
create or replace function singularity_workflow.send_hints(
  p_key   bigint,               -- null: no messages were written
  p_ended uuid[] default '{}',
  p_events bigint[] default '{}'  -- positions of events that were written
)
returns void
language plpgsql
volatile
set search_path = ''
as $function$
begin
  if p_key is not null then
    perform pg_notify('singularity_workflow_work', p_key::text);
  end if;

  -- 37 bytes an id: 200 stay below the 8,000 bytes of a notification
  perform pg_notify('singularity_workflow_events', 'ended ' || string_agg(e.run_id::text, ' '))
  from (
    select u.run_id, (u.place - 1) / 200 as part
    from unnest(p_ended) with ordinality u (run_id, place)) e
  group by e.part;

  perform pg_notify('singularity_workflow_events', 'sent workflow_events ' || string_agg(e.pos::text, ' '))
  from (
    select u.pos, (u.place - 1) / 300 as part
    from unnest(p_events) with ordinality u (pos, place)) e
  group by e.part;
end;
$function$;

comment on function singularity_workflow.send_hints(bigint, uuid[], bigint[]) is
  'Notify listeners of queued tasks, of runs that ended, and of events.';
