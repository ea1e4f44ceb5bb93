-- singularity_workflow.open_queue: the pgmq queue of a name, made if it is not there.
--
-- Called by  send_messages, and Store.open_queue when somebody listens; public
-- Locks      for a new queue an advisory lock on its name, to the end of the transaction
-- Errors     SW403 the name cannot be one
--
-- Names are the same in upper and lower case, as pgmq's tables are. A name that is too
-- long for pgmq, or has other characters, is kept under a hash of it. The index is what
-- listeners read by: the transaction of a message, and not its id alone, says which
-- messages were committed after others (a lower id may be committed later).
create or replace function singularity_workflow.open_queue(p_name text)
returns text                  -- pgmq's name
language plpgsql
volatile
set search_path = ''
as $function$
declare
  c_own constant text[] := array['swf_tasks', 'workflow_events'];
  v_name text := lower(p_name);
  v_queue text;
begin
  select q.queue into v_queue from singularity_workflow.message_queues q where q.name = v_name;
  if found then
    return v_queue;
  end if;
  if v_name is null or v_name !~ '^[a-z_][a-z0-9_.:/-]*$' or length(v_name) > 200 then
    raise exception using errcode = 'SW403',
      message = format('%L is not a possible name of a queue', p_name),
      hint = 'Begin with a letter or _, go on with letters, digits and _ . : / -, 200 characters at most.';
  elsif v_name = any (c_own) then
    raise exception using errcode = 'SW403',
      message = format('queue %L belongs to the library', p_name), hint = 'Use another name.';
  end if;

  perform pg_advisory_xact_lock(hashtextextended('singularity_workflow.queue.' || v_name, 0));
  select q.queue into v_queue from singularity_workflow.message_queues q where q.name = v_name;
  if found then
    return v_queue;
  end if;

  v_queue := case when v_name ~ '^[a-z0-9_]+$' and length(v_name) <= 47 then v_name
                  else 'swf_m_' || md5(v_name) end;
  perform pgmq.create(v_queue);
  execute format(
    'create index if not exists %I on pgmq.%I (((headers->>''xid'')::bigint), msg_id)',
    'q_' || v_queue || '_xid_idx', 'q_' || v_queue);
  insert into singularity_workflow.message_queues (name, queue) values (v_name, v_queue);
  return v_queue;
end;
$function$;

comment on function singularity_workflow.open_queue(text) is
  'The name under which pgmq keeps a queue of messages; makes the queue on first use.';
