-- singularity_workflow.retry_delay: how long to wait after the f-th failure.
--
-- Called by  miss_tasks
-- Locks      none
-- Errors     none
--
-- min(max_delay, delay * backoff^(f-1)), with jitter times a uniform draw from 0.5 to
-- 1.5, so that tasks that failed together do not come back together. Computed
-- in logarithms: power() raises on overflow long after max_delay has won.
create or replace function singularity_workflow.retry_delay(p_policy jsonb, p_failures integer)
returns interval
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_delay float8 := (p_policy->>'delay')::float8;
  v_max_delay float8 := (p_policy->>'max_delay')::float8;
  v_backoff float8 := (p_policy->>'backoff')::float8;
begin
  if v_delay > 0 then
    v_delay := exp(least(ln(v_delay) + (p_failures - 1) * ln(v_backoff), ln(greatest(v_max_delay, 1e-9))));
  end if;

  return least(v_delay, v_max_delay) * case when (p_policy->>'jitter')::boolean then 0.5 + random() else 1 end
         * interval '1 second';
end;
$function$;

comment on function singularity_workflow.retry_delay(jsonb, integer) is
  'The wait before the next attempt, capped and jittered.';
