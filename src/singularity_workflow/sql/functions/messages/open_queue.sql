-- singularity_workflow.open_queue: the pgmq queue of a name, made if it is not there.
--
-- Called by  send_messages, configure_queue, and Store.open_queue when somebody listens;
--            public
-- Locks      for a new queue an advisory lock on its name, to the end of the transaction
-- Errors     SW403 the name cannot be one
--
-- Names are the same in upper and lower case, as pgmq's tables are. A name that is too
-- long for pgmq, or has other characters, is kept under a hash of it. A queue that was
-- dropped by pgmq's own function is made again. The index is what listeners read by.
create or replace function singularity_workflow.open_queue(p_name text)
returns text                  -- pgmq's name
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_name text := lower(p_name);
  v_queue text;
begin
  select q.queue into v_queue from singularity_workflow.message_queues q where q.name = v_name;
  if found and to_regclass(format('pgmq.%I', 'q_' || v_queue)) is not null then
    return v_queue;
  end if;
  if v_name is null or v_name !~ '^[a-z_][a-z0-9_.:/-]*$' or length(v_name) > 200 then
    raise exception using errcode = 'SW403',
      message = format('%L is not a possible name of a queue', p_name),
      hint = 'Begin with a letter or _, go on with letters, digits and _ . : / -, 200 characters at most.';
  elsif v_name like 'swf\_%' then
    raise exception using errcode = 'SW403',
      message = format('queue %L belongs to the library', p_name),
      hint = 'Use a name that does not begin with swf_.';
  end if;

  perform pg_advisory_xact_lock(hashtextextended('singularity_workflow.queue.' || v_name, 0));
  v_queue := case when v_name ~ '^[a-z0-9_]+$' and length(v_name) <= 47 then v_name
                  else 'swf_m_' || md5(v_name) end;
  perform pgmq.create(v_queue);
  -- by the hash of the name: two of 47 characters may differ in the last one only
  execute format(
    'create index if not exists %I on pgmq.%I (((headers->>''pos'')::bigint), msg_id)',
    'swf_m_' || md5(v_name) || '_pos_idx', 'q_' || v_queue);
  insert into singularity_workflow.message_queues (name, queue) values (v_name, v_queue)
  on conflict (name) do nothing;
  return v_queue;
end;
$function$;

comment on function singularity_workflow.open_queue(text) is
  'The name under which pgmq keeps a queue of messages; makes the queue on first use.';
