-- singularity_workflow.read_events: rows of events, in the order of a position.
--
-- Called by  Store.read_events; public
-- Locks      none
-- Errors     none
--
-- The horizon is the first position at which events may still be stored: all before it
-- are there, and whoever goes on from it misses none. A row holds the events of one run
-- and call, in order.
create or replace function singularity_workflow.read_events(
  p_pos       bigint default 0,        -- from this position and id on
  p_id        bigint default 0,
  p_limit     integer default 100,
  p_runs      uuid[] default null,     -- only of these runs
  p_positions bigint[] default null    -- instead of from where on: just those of these positions
)
returns json                  -- {horizon, messages: [[id, position, sent at, message, headers], …]}
language plpgsql
volatile                      -- the snapshot of the horizon must not be newer than that of the rows
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $function$
declare
  v_reply json;
begin
  if p_positions is not null then
    select json_build_object(
      'horizon', pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
      'messages', coalesce(json_agg(json_build_array(
        q.msg_id, (q.headers->>'pos')::bigint, q.enqueued_at, q.message, q.headers)
        order by (q.headers->>'pos')::bigint, q.msg_id), '[]'))
    into v_reply
    from pgmq.q_workflow_events q
    where (q.headers->>'pos')::bigint = any (p_positions)
      and (p_runs is null or q.headers->>'run' = any (p_runs::text[]));
  elsif p_runs is not null then
    select json_build_object(
      'horizon', pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
      'messages', (
        select coalesce(json_agg(json_build_array(
          m.msg_id, m.pos, m.enqueued_at, m.message, m.headers) order by m.pos, m.msg_id), '[]')
        from (
          select o.*
          from unnest(p_runs) r (run_id)
          cross join lateral (
            select q.msg_id, (q.headers->>'pos')::bigint as pos, q.enqueued_at, q.message, q.headers
            from pgmq.q_workflow_events q
            where q.headers->>'run' = r.run_id::text
              and ((q.headers->>'pos')::bigint, q.msg_id) >= (p_pos, p_id)
            order by (q.headers->>'pos')::bigint, q.msg_id
            limit p_limit) o
          order by o.pos, o.msg_id
          limit p_limit) m))
    into v_reply;
  else
    select json_build_object(
      'horizon', pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
      'messages', (
        select coalesce(json_agg(json_build_array(
          m.msg_id, m.pos, m.enqueued_at, m.message, m.headers) order by m.pos, m.msg_id), '[]')
        from (
          select q.msg_id, (q.headers->>'pos')::bigint as pos, q.enqueued_at, q.message, q.headers
          from pgmq.q_workflow_events q
          where ((q.headers->>'pos')::bigint, q.msg_id) >= (p_pos, p_id)
          order by (q.headers->>'pos')::bigint, q.msg_id
          limit p_limit) m))
    into v_reply;
  end if;
  return v_reply;
end;
$function$;

comment on function singularity_workflow.read_events(bigint, bigint, integer, uuid[], bigint[]) is
  'Events from a position on, of all runs or of some, and up to where they are complete.';
