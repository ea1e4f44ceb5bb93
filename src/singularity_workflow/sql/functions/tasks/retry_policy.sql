-- singularity_workflow.retry_policy: the retry policy that holds for a task.
--
-- Called by  miss_tasks
-- Locks      none
-- Errors     none
--
-- Field by field: the defaults, then the workflow's, then the step's, then the run's
-- own number of attempts. A field that is null was not given.
create or replace function singularity_workflow.retry_policy(
  p_workflow_options jsonb, p_step_options jsonb, p_max_attempts integer
)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $function$
begin
  return jsonb_build_object('max_attempts', 3, 'delay', 1, 'backoff', 2, 'max_delay', 60, 'jitter', true)
    || coalesce(jsonb_strip_nulls(nullif(p_workflow_options->'retry', 'null')), '{}')
    || jsonb_strip_nulls(jsonb_build_object('max_attempts', p_workflow_options->'max_attempts'))
    || coalesce(jsonb_strip_nulls(nullif(p_step_options->'retry', 'null')), '{}')
    || jsonb_strip_nulls(jsonb_build_object('max_attempts', p_step_options->'max_attempts'))
    || jsonb_strip_nulls(jsonb_build_object('max_attempts', p_max_attempts));
end;
$function$;

comment on function singularity_workflow.retry_policy(jsonb, jsonb, integer) is
  'The effective retry policy as an object.';
