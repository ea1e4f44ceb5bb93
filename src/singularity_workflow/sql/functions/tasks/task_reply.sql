-- singularity_workflow.task_reply: what a worker needs to run tasks.
--
-- Called by  start_runs, report_tasks and claim_tasks
-- Locks      none
-- Errors     none
--
-- Tasks refer to runs and outputs; each payload stands in the reply once, however
-- many tasks share it, and not at all for the runs in p_known and the steps in
-- p_known_maps, which the worker holds already.
create or replace function singularity_workflow.task_reply(
  p_tasks singularity_workflow.task_key[],
  p_known uuid[],                 -- runs whose input the worker has
  p_known_maps singularity_workflow.step_key[] default '{}'  -- maps whose dependencies it has
)
returns json
language plpgsql
stable
set search_path = ''
as $function$
begin
  return (
      select case when cardinality(p_tasks) > 0 then json_build_object(
        'tasks', (
          select json_agg(json_build_array(
            t.run_id, t.step_no, t.task_index, t.attempt, t.item, t.losses) order by p.place)
          from unnest(p_tasks) with ordinality p (run_id, step_no, task_index, place)
          cross join lateral (
            select t.* from singularity_workflow.tasks t
            where t.run_id = p.run_id and t.step_no = p.step_no and t.task_index = p.task_index
            offset 0) t),
        'runs', (
          select json_agg(json_build_array(
            r.run_id, r.workflow_id, r.input, r.traceparent, r.goal->>'redact' = 'true'))
          from (select distinct p.run_id from unnest(p_tasks) p) d
          cross join lateral (
            select r.* from singularity_workflow.runs r where r.run_id = d.run_id offset 0) r
          where d.run_id not in (select unnest(p_known))),
        'outputs', (
          select json_agg(json_build_array(o.run_id, o.step_no, o.output))
          from (
            select distinct p.run_id, e.depends_on_no
            from (select distinct k.run_id, k.step_no from unnest(p_tasks) k
                  where (k.run_id, k.step_no)::singularity_workflow.step_key <> all (p_known_maps)) p
            cross join lateral (
              select r.workflow_id from singularity_workflow.runs r
              where r.run_id = p.run_id offset 0) r
            cross join lateral (
              select e.depends_on_no from singularity_workflow.workflow_step_dependencies e
              where e.workflow_id = r.workflow_id and e.step_no = p.step_no offset 0) e) d
          cross join lateral (
            select o.* from singularity_workflow.step_states o
            where o.run_id = d.run_id and o.step_no = d.depends_on_no and o.status = 'completed'
            offset 0) o)
      ) end);
end;
$function$;

comment on function singularity_workflow.task_reply(
  singularity_workflow.task_key[], uuid[], singularity_workflow.step_key[]) is
  'Tasks with references, and each payload that they refer to once.';
