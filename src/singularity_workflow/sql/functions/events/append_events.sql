-- singularity_workflow.append_events: store events, one row for each run.
--
-- Called by  record_events, record_change, lost_events, emit_events
-- Locks      none but its new rows
-- Errors     none
--
-- A position is never lower than the transaction's own number, so whatever is stored
-- later has a position of at least the oldest transaction that is still open: up to
-- there nothing can be missed. And it is above all that was committed before, so that
-- whoever follows from what it saw comes after it (docs/decisions/0014).
create or replace function singularity_workflow.append_events(
  p_run_ids uuid[],             -- of each event
  p_events  text[],             -- each as JSON, in order
  p_now     timestamptz
)
returns bigint                -- their position
language plpgsql
volatile
set search_path = ''
as $function$
declare
  -- numbers that jsonb may not take; looked for, which costs a tenth of an exception block
  c_doubtful constant text := '[:,[]\s*-?[0-9.]+[eE][-+]?[0-9]{4}';
  v_at text := to_char(p_now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
  v_pos bigint;
  v_run_id uuid := p_run_ids[1];
  v_name text;
  v_message text;
begin
  if v_run_id is null then
    return null;
  end if;
  v_pos := greatest(pg_current_xact_id()::text::bigint,
                    pg_snapshot_xmax(pg_current_snapshot())::text::bigint);

  if v_run_id = all (p_run_ids) then
    -- as below, for the one run of a lone chain: a third of the set-up
    select w.name into v_name
    from singularity_workflow.runs r
    join singularity_workflow.workflows w on w.workflow_id = r.workflow_id
    where r.run_id = v_run_id;
    v_message := concat('{"run_id":"', v_run_id, '","workflow_id":"', v_name, '","at":"', v_at,
                        '","events":[', array_to_string(p_events, ','), ']}');
    insert into pgmq.q_workflow_events (vt, enqueued_at, message, headers)
    values (p_now, p_now,
            case when v_message ~ c_doubtful
              then singularity_workflow.event_message(v_message::json) else v_message::jsonb end,
            concat('{"pos":', v_pos, ',"run":"', v_run_id, '"}')::jsonb);
    return v_pos;
  end if;

  insert into pgmq.q_workflow_events (vt, enqueued_at, message, headers)
  select p_now, p_now,
         case when m.message ~ c_doubtful
           then singularity_workflow.event_message(m.message::json) else m.message::jsonb end,
         concat('{"pos":', v_pos, ',"run":"', m.run_id, '"}')::jsonb
  from (
    select e.run_id, concat('{"run_id":"', e.run_id, '","workflow_id":"', w.name, '","at":"', v_at,
                            '","events":[', e.events, ']}') as message
    from (
      select x.run_id, string_agg(x.event, ',' order by x.place) as events, min(x.place) as place
      from unnest(p_run_ids, p_events) with ordinality x (run_id, event, place)
      group by x.run_id) e
    cross join lateral (
      select w.name from singularity_workflow.runs r
      join singularity_workflow.workflows w on w.workflow_id = r.workflow_id
      where r.run_id = e.run_id offset 0) w
    order by e.place) m;
  return v_pos;
end;
$function$;

comment on function singularity_workflow.append_events(uuid[], text[], timestamptz) is
  'Store events in the queue workflow_events, in the transaction of what they are about.';
