-- singularity_workflow.emit_events: store what running tasks have to tell.
--
-- Called by  Store.emit_events; public
-- Locks      tasks in key order, FOR SHARE: an attempt that ends meanwhile ends after them
-- Errors     SW410
--
-- Each item is an object: run, step, task, attempt and events, an array of {type, at,
-- data}. An attempt that is not in charge any more is refused, and nothing of it stored.
create or replace function singularity_workflow.emit_events(p_batch json)
returns json                  -- {refused: [[run, step, task, attempt], …], events: position}
language plpgsql
volatile
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $function$
declare
  v_held json;
  v_refused json;
  v_runs uuid[];
  v_events text[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;

  with asked as (
    select x.* from json_to_recordset(p_batch) x (
      run uuid, step smallint, task int, attempt int, events json)
    order by x.run, x.step, x.task, x.attempt
  ),
  judged as (
    select a.*, t.run_id is not null as is_held
    from asked a
    left join lateral (
      -- of a run that has ended, the sweep of its tasks may not have come to this one
      select t.run_id from singularity_workflow.tasks t
      join singularity_workflow.runs r on r.run_id = t.run_id and r.status in ('started', 'paused')
      where t.run_id = a.run and t.step_no = a.step and t.task_index = a.task
        and t.attempt = a.attempt and t.status = 'started'
      for share of t offset 0) t on true
  )
  select json_agg(to_json(j)) filter (where j.is_held),
         json_agg(json_build_array(j.run, j.step, j.task, j.attempt)) filter (where not j.is_held)
  into v_held, v_refused
  from judged j;

  select e.p_runs, e.p_events into v_runs, v_events
  from singularity_workflow.emitted_events(coalesce(v_held, '[]')) e;
  return json_build_object(
    'refused', v_refused,
    'events', singularity_workflow.append_events(v_runs, v_events, clock_timestamp()));
end;
$function$;

comment on function singularity_workflow.emit_events(json) is
  'Store progress and events of the application, told by running tasks.';
