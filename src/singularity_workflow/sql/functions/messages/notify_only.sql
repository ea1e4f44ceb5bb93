-- singularity_workflow.notify_only: a bare notification, which stores nothing.
--
-- Called by  Store.notify_only; public
-- Locks      the instance-wide lock of NOTIFY, from the commit on
-- Errors     SW403 a channel or payload that NOTIFY does not take
create or replace function singularity_workflow.notify_only(p_channel text, p_payload text default '')
returns void
language plpgsql
volatile
set search_path = ''
as $function$
begin
  if p_channel is null or p_channel = '' or octet_length(p_channel) > 63 then
    raise exception using errcode = 'SW403',
      message = format('%L is not a possible channel', p_channel),
      hint = 'A channel has 1 to 63 bytes.';
  elsif lower(p_channel) like 'singularity\_workflow%' then
    raise exception using errcode = 'SW403',
      message = format('channel %L belongs to the library', p_channel), hint = 'Use another name.';
  elsif octet_length(p_payload) >= 8000 then
    raise exception using errcode = 'SW403',
      message = format('a payload of %s bytes is too long to be notified', octet_length(p_payload)),
      hint = 'A bare notification takes less than 8,000 bytes; send_with_notify takes any.';
  end if;
  perform pg_notify(p_channel, coalesce(p_payload, ''));
end;
$function$;

comment on function singularity_workflow.notify_only(text, text) is
  'Notify whoever listens now; nothing is stored.';
