-- singularity_workflow.read_messages: a page of a queue, in the order of positions.
--
-- Called by  Store.read_messages; public
-- Locks      none
-- Errors     SW407 no such queue
--
-- The horizon is the first place that may still get messages: what is below it is
-- complete, and whoever goes on from there misses nothing. A page ends at the horizon, or
-- has all that lies beyond it, as one snapshot shows it: an effect is never read before
-- its cause, which a later snapshot might show further in front. It ends early, too, when
-- its messages are large. Messages that were sent by pgmq's own functions have no place,
-- and are not seen here.
create or replace function singularity_workflow.read_messages(
  p_queue     text,
  p_pos       bigint default 0,       -- from this place on
  p_id        bigint default 0,
  p_limit     integer default 100,
  p_positions bigint[] default null,  -- just these places
  p_bare      boolean default false,  -- without payloads
  p_runs      uuid[] default null     -- only events of these runs
)
returns json                  -- {horizon, has_more, messages: [[pos, id, sent at, headers, message], …]}
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $function$
declare
  c_beyond constant integer := 10000;     -- messages; a page has no more even of those
  c_size constant bigint := 4194304;      -- bytes, as they are stored
  v_rows text;
  v_reply json;
begin
  -- what comes at once, and what may come on later pages
  v_rows := format(
    'select (q.headers->>''pos'')::bigint as pos, q.msg_id, q.enqueued_at, q.headers, %3$s as message,
            pg_column_size(q.message) as size
     from pgmq.%1$I q
     where ((q.headers->>''pos'')::bigint, q.msg_id) >= ($1, $2) %2$s',
    singularity_workflow.find_queue(p_queue),
    case when p_positions is null then '' else 'and (q.headers->>''pos'')::bigint = any ($4) ' end
    || case when p_runs is null then ''
         -- said so, the index by run gives the order too
         when cardinality(p_runs) = 1 then 'and q.headers->>''run'' = ($7)[1]'
         else 'and q.headers->>''run'' = any ($7)' end,
    case when p_bare then 'null::jsonb' else 'q.message' end);
  if p_positions is not null then
    v_rows := format('(%s order by 1, 2 limit $3 + 1)', v_rows);
  else
    v_rows := format(
      '(with final as materialized (%1$s and (q.headers->>''pos'')::bigint < %2$s order by 1, 2 limit $3 + 1)
        select * from final
        union all
        (%1$s and (q.headers->>''pos'')::bigint >= %2$s and (select count(*) from final) <= $3
         order by 1, 2 limit greatest($3, $5) + 1))',
      v_rows, '(select pg_snapshot_xmin(pg_current_snapshot())::text::bigint)');
  end if;

  execute format(
    'select json_build_object(
       ''horizon'', l.horizon,
       ''has_more'', coalesce(bool_or(not n.fits), false),
       ''messages'', coalesce(json_agg(
         json_build_array(n.pos, n.msg_id, n.enqueued_at, n.headers, n.message)) filter (where n.fits), ''[]''))
     from (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon) l
     left join lateral (
       select a.*, sum(a.size) over w - a.size < $6
              and row_number() over w <= case when %s or a.pos < l.horizon then $3 else greatest($3, $5) end as fits
       from %s a
       window w as (order by a.pos, a.msg_id)) n on true
     group by l.horizon',
    (p_positions is not null)::text, v_rows)
  into v_reply using p_pos, p_id, p_limit, p_positions, c_beyond, c_size, p_runs::text[];
  return v_reply;
end;
$function$;

comment on function singularity_workflow.read_messages(text, bigint, bigint, integer, bigint[], boolean, uuid[]) is
  'A page of messages from a place on, and up to where places are complete.';
