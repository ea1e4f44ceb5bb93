-- singularity_workflow.delete_run_rows: delete a batch of what belongs to some runs.
--
-- Called by  delete_workflow, delete_runs
-- Locks      messages (SKIP LOCKED); runs in order of run_id, then their tasks in key order
-- Errors     none
--
-- From the bottom up, tasks → failures → steps → events → tags and keys → runs: whatever breaks off in
-- between, the run is there and says what is left. Of an ended run that is being swept
-- some tasks may still have messages.
create or replace function singularity_workflow.delete_run_rows(
  p_run_ids uuid[],
  p_limit   integer,
  p_name    text                -- of their workflow
)
returns integer                 -- rows deleted; fewer than p_limit: nothing is left
language plpgsql
volatile
set search_path = ''
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $function$
declare
  v_left integer := p_limit;
  v_count integer;
begin
  perform from singularity_workflow.runs r
  where r.run_id = any (p_run_ids) order by r.run_id for update;

  delete from pgmq.q_swf_tasks q
  where q.ctid = any (array(
    select m.ctid from pgmq.q_swf_tasks m
    where m.msg_id = any (array(
      select t.msg_id from singularity_workflow.tasks t
      where t.run_id = any (p_run_ids) and t.msg_id is not null))
    for update skip locked));

  -- by ctid over arrays: as joins the limits were asked for again with each row (F6)
  delete from singularity_workflow.tasks t
  where t.ctid = any (array(
    select k.ctid from singularity_workflow.tasks k
    where k.run_id = any (p_run_ids)
    order by k.run_id, k.step_no, k.task_index
    limit v_left for update));
  get diagnostics v_count = row_count;
  v_left := v_left - v_count;

  if v_left > 0 then
    delete from singularity_workflow.task_failures f
    where f.ctid = any (array(
      select k.ctid from singularity_workflow.task_failures k
      where k.run_id = any (p_run_ids) limit v_left));
    get diagnostics v_count = row_count;
    v_left := v_left - v_count;
  end if;

  if v_left > 0 then
    delete from singularity_workflow.step_states s
    where s.ctid = any (array(
      select k.ctid from singularity_workflow.step_states k
      where k.run_id = any (p_run_ids) limit v_left));
    get diagnostics v_count = row_count;
    v_left := v_left - v_count;
  end if;

  if v_left > 0 then
    delete from pgmq.q_workflow_events q
    where q.ctid = any (array(
      select o.ctid
      from unnest(p_run_ids) r (run_id)
      cross join lateral (
        select e.ctid from pgmq.q_workflow_events e
        where e.headers->>'run' = r.run_id::text limit v_left) o
      limit v_left));
    get diagnostics v_count = row_count;
    v_left := v_left - v_count;
  end if;

  if v_left > 0 then
    delete from singularity_workflow.run_tags g
    using singularity_workflow.runs r
    where r.run_id = any (p_run_ids[1:v_left]) and g.tag = any (r.tags) and g.run_id = r.run_id;
    delete from singularity_workflow.idempotency_keys k
    using singularity_workflow.runs r
    where r.run_id = any (p_run_ids[1:v_left]) and k.workflow_name = p_name
      and k.key = r.idempotency_key and k.run_id = r.run_id;
    delete from singularity_workflow.runs r where r.run_id = any (p_run_ids[1:v_left]);
    get diagnostics v_count = row_count;
    v_left := v_left - v_count;
  end if;

  return p_limit - v_left;
end;
$function$;

comment on function singularity_workflow.delete_run_rows(uuid[], integer, text) is
  'Delete at most p_limit rows of these runs, tasks first and the runs last.';
