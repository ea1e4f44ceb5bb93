-- singularity_workflow.fan_out: create the next chunk of a large map's tasks.
--
-- Called by  fire_batch, with the run locked
-- Locks      none but its new rows
-- Errors     none
create or replace function singularity_workflow.fan_out(
  p_run_id  uuid,
  p_step_no smallint,
  p_from    integer,
  p_now     timestamptz
)
returns bigint                -- the smallest key announced
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_chunk record;
begin
  v_chunk := singularity_workflow.create_map_tasks(
    array(
      select (r.run_id, s.step_no, 'map', s.initial_tasks,
              coalesce('local:' || r.owner::text, w.queue),
              r.order_key - w.priority * 600000::bigint,
              case when r.serial then 'limit' when r.status = 'paused' then 'paused' end,
              null, w.queue_timeout)::singularity_workflow.ready_step
      from singularity_workflow.runs r
      join singularity_workflow.step_states s
        on s.run_id = r.run_id and s.step_no = p_step_no and s.status = 'started'
      join singularity_workflow.workflow_steps w
        on w.workflow_id = r.workflow_id and w.step_no = s.step_no
      where r.run_id = p_run_id),
    p_from, null, 0, '{}', null, p_now);
  return v_chunk.p_announced;
end;
$function$;

comment on function singularity_workflow.fan_out(uuid, smallint, integer, timestamptz) is
  'Create the tasks of a map from an element on.';
