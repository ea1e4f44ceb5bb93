-- singularity_workflow.send_each: send messages that have nothing to do with each other.
--
-- Called by  Store.send, with those that came while another call was under way
-- Locks      as send_messages, queue by queue in order of their names
-- Errors     SW403
--
-- NOTIFY lets one transaction of the server commit at a time: many messages in few
-- transactions are sooner with their listeners.
create or replace function singularity_workflow.send_each(p_items jsonb)
returns json                  -- the id of each, in order
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_queue record;
  v_new bigint[];
  v_ids bigint[] := array_fill(null::bigint, array[jsonb_array_length(p_items)]);
begin
  for v_queue in
    select lower(i.item->>0) as name, array_agg(i.item->1 order by i.place) as messages,
           array_agg(i.item->2 order by i.place) as headers, array_agg(i.place order by i.place) as places
    from jsonb_array_elements(p_items) with ordinality i (item, place)
    group by 1 order by 1
  loop
    v_new := singularity_workflow.send_messages(v_queue.name, v_queue.messages, v_queue.headers);
    for n in 1 .. cardinality(v_new) loop
      v_ids[v_queue.places[n]] := v_new[n];
    end loop;
  end loop;
  return to_json(v_ids);
end;
$function$;

comment on function singularity_workflow.send_each(jsonb) is
  'Send messages of any queues, each [queue, message, headers].';
