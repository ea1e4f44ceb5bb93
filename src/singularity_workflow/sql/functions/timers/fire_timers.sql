-- singularity_workflow.fire_timers: do what is due.
--
-- Called by  Store.fire_timers: a duty that any worker may do; public
-- Locks      advisory lock (tried, not waited for), timers (SKIP LOCKED) → runs (SKIP
--            LOCKED) → step_states → tasks
-- Errors     SW410
--
-- At most p_limit timers a call. A timer that raises an error would raise it for ever,
-- and nothing that is due after it would be done: so the timers are then fired in ever
-- smaller parts, and the guilty one is put off for a minute, with a warning.
create or replace function singularity_workflow.fire_timers(
  p_limit     integer default 500,
  p_worker_id uuid default null     -- the caller, who fails what it is given as overdue
)
returns json    -- {ended, announced, next: seconds, fired, overdue: [[run, step, task, attempt], …]}
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
  v_moment timestamptz := singularity_workflow.now();  -- once: the index can be searched by it
  v_due bigint[];
  v_from integer := 1;
  v_size integer;
  v_part bigint[];
  v_fired record;
  v_ended json[] := '{}';
  v_overdue json[] := '{}';
  v_announced bigint;
  v_events bigint[] := '{}';
  v_state text;
  v_message text;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  if singularity_workflow.is_dead(p_worker_id) then
    return json_build_object('fired', 0, 'next', 0.5);
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('singularity_workflow.timers', 0)) then
    return json_build_object('fired', 0, 'next', 0.05);
  end if;

  select array_agg(t.timer_id) into v_due
  from (select t.timer_id from singularity_workflow.timers t
        where t.due_at <= v_moment
          and (t.kind <> 'queue_timeout' or p_worker_id is not null)
        order by t.due_at limit p_limit for update skip locked) t;

  if v_due is null then
    return json_build_object('fired', 0, 'next', singularity_workflow.next_timer_in());
  end if;

  v_size := cardinality(v_due);
  while v_from <= cardinality(v_due) loop
    v_part := v_due[v_from:v_from + v_size - 1];
    begin
      v_fired := singularity_workflow.fire_batch(v_part, p_worker_id, v_now);
      v_ended := v_ended || v_fired.p_ended;
      v_overdue := v_overdue || v_fired.p_overdue;
      v_announced := least(v_announced, v_fired.p_announced);
      v_events := v_events || v_fired.p_events;
      v_from := v_from + v_size;
      v_size := 4 * v_size;
    exception when others then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text;
      -- the fault of the moment and not of a timer: a deadlock, no memory, no lock, a shutdown
      if left(v_state, 2) in ('40', '53', '55', '57', '58') then
        raise;
      elsif cardinality(v_part) > 1 then
        v_size := (cardinality(v_part) + 3) / 4;
      else
        update singularity_workflow.timers t set due_at = v_moment + interval '1 minute'
        where t.timer_id = v_part[1];
        raise warning 'timer % was put off for a minute: % (%)', v_part[1], v_message, v_state;
        v_from := v_from + 1;
      end if;
    end;
  end loop;

  return json_build_object(
    'fired', cardinality(v_due),
    'ended', (select json_agg(e.value) from unnest(v_ended) p (part)
              cross join lateral json_array_elements(p.part) e),
    'announced', v_announced,
    'overdue', (select json_agg(o.value) from unnest(v_overdue) p (part)
                cross join lateral json_array_elements(p.part) o),
    'events', v_events,
    'next', singularity_workflow.next_timer_in());
end;
$function$;

comment on function singularity_workflow.fire_timers(integer, uuid) is
  'Fire the timers that are due: retries, delays, fan-outs, deadlines, what runs owe each other.';
