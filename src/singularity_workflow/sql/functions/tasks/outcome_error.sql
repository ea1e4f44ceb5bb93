-- singularity_workflow.outcome_error: the error that is stored for an outcome.
--
-- Called by  miss_tasks, fail_runs, skip_failed_steps
-- Locks      none
-- Errors     none
--
-- For a violation there is no exception to tell of; the marker `type_violation` is
-- what the status of the run and its events are recognised by.
create or replace function singularity_workflow.outcome_error(
  p_outcome text, p_output json, p_error json
)
returns json
language plpgsql
immutable
set search_path = ''
as $function$
begin
  return case when p_outcome = 'violation' then json_build_object(
      'type', 'type_violation',
      'message', format('[type_violation] a map needs an array of elements, the output is %s',
                        case json_typeof(p_output)
                          when 'array' then format('an array of %s', json_array_length(p_output))
                          else coalesce(json_typeof(p_output), 'missing') end))
    when p_outcome = 'unmet' then json_build_object(
      'type', 'condition_unmet', 'message', 'the condition of the step is not met')
    else coalesce(p_error, json_build_object('type', p_outcome, 'message', '')) end;
end;
$function$;

comment on function singularity_workflow.outcome_error(text, json, json) is
  'The error object of an outcome: {type, message, traceback}.';
