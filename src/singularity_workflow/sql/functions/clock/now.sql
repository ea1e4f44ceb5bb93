-- singularity_workflow.now: the clock of the timers.
--
-- Called by  the functions that set or fire timers; leases have the real clock
-- Locks      none
-- Errors     none
--
-- A function, so that a test database may replace it and travel in time.
create or replace function singularity_workflow.now()
returns timestamptz
language sql
volatile
set search_path = ''
as $function$
  select clock_timestamp();
$function$;

comment on function singularity_workflow.now() is
  'The time that timers live by.';
