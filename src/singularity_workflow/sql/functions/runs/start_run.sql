-- singularity_workflow.start_run: begin one run from SQL, inside the caller's transaction.
--
-- Called by  triggers, psql, any language; public
-- Locks      as start_runs
-- Errors     as start_runs
--
-- p_options may hold id, priority, serial, max_attempts, timeout (seconds), tags, key and
-- traceparent (W3C trace context of the caller). The run is distributed: any worker that serves the queue takes it up, after the
-- caller's transaction commits.
create or replace function singularity_workflow.start_run(
  p_workflow text,
  p_input    json default null,
  p_options  json default '{}'
)
returns uuid
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_started json;
begin
  v_started := singularity_workflow.start_runs(json_build_array((
    select json_object_agg(f.key, f.value)
    from (
      select * from json_each(p_options)
      union all select 'workflow', to_json(p_workflow)
      union all select 'input', p_input where p_input is not null
      union all select 'id', to_json(singularity_workflow.new_run_id())
        where p_options->>'id' is null
    ) f)), p_notify => true);
  return v_started->'runs'->0->>1;
end;
$function$;

comment on function singularity_workflow.start_run(text, json, json) is
  'Start a run of the latest version of a workflow and return its id.';
