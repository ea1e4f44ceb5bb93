-- singularity_workflow.first_run_id: the smallest run id of a moment.
--
-- Called by  walk_runs
-- Locks      none
-- Errors     none
create or replace function singularity_workflow.first_run_id(p_at timestamptz)
returns uuid
language sql
stable
strict
set search_path = ''
as $function$
  select (lpad(to_hex(greatest(0, floor(extract(epoch from p_at) * 1000))::bigint), 12, '0')
          || '70008000000000000000')::uuid;
$function$;

comment on function singularity_workflow.first_run_id(timestamptz) is
  'The smallest version 7 uuid of a time.';
