-- singularity_workflow.new_run_id: a version 7 uuid.
--
-- Called by  start_run, for callers that bring no id; start_compensation
-- Locks      none
-- Errors     none
--
-- 48 bits of Unix milliseconds, then the version, the variant and random bits
-- (RFC 9562, section 5.7). PostgreSQL has its own only from 18 on.
create or replace function singularity_workflow.new_run_id()
returns uuid
language sql
volatile
set search_path = ''
as $function$
  select encode(
    set_byte(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(
          int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6),
      6,
      (get_byte(uuid_send(gen_random_uuid()), 6) & 15) | 112),
    'hex')::uuid;
$function$;

comment on function singularity_workflow.new_run_id() is
  'A new run id: a version 7 uuid, ordered by time of creation.';
