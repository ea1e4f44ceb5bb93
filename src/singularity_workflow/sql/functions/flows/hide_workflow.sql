-- singularity_workflow.hide_workflow: let no run of a workflow begin any more.
--
-- Called by  delete_workflow, under the lock of the name
-- Locks      runs, as a table, to the end of the transaction: no run begins or changes
-- Errors     SW404 no such workflow, SW423 it has live runs, or the lock was not to be had
--
-- A workflow's compensation goes with it. Runs of others that have it as a child count too.
-- Who inserts a run waits for the table, and then looks whether its version is there: so
-- one that was faster is seen here, and one that comes later is refused. The lock is given up after a moment: while it is waited for, nothing else
-- can write runs either.
create or replace function singularity_workflow.hide_workflow(p_name text)
returns integer               -- how many versions and drafts there were
language plpgsql
volatile
set search_path = ''
set lock_timeout = '1500ms'
set enable_seqscan = off      -- the open runs have an index
as $function$
declare
  v_versions integer[] := array(
    select w.workflow_id from singularity_workflow.workflows w
    where w.name = p_name or w.name in (
      select o.compensation from singularity_workflow.workflows o where o.name = p_name));
  v_needed_by integer[] := v_versions || array(
    select s.workflow_id from singularity_workflow.workflow_steps s where s.child_workflow = p_name);
  v_live bigint;
  v_run_id uuid;
  v_hidden integer;
begin
  -- twice: without the lock first, for whoever must wait for runs to end
  for i in 1 .. 2 loop
    select count(*), min(r.run_id::text) into v_live, v_run_id
    from singularity_workflow.runs r
    where r.status in ('pending', 'started', 'paused') and r.workflow_id = any (v_needed_by);
    if v_live > 0 then
      raise exception using errcode = 'SW423',
        message = format('workflow %L is needed by %s live runs, the oldest is %s', p_name, v_live, v_run_id),
        hint = 'Cancel them, or wait until they have ended.';
    end if;
    if exists (
         select from singularity_workflow.timers t
         join singularity_workflow.runs r on r.run_id = t.run_id
         where t.kind = 'compensate' and r.workflow_id = any (v_versions)) then
      raise exception using errcode = 'SW423',
        message = format('runs of workflow %L are about to be undone', p_name),
        hint = 'Wait until their compensations have ended.';
    end if;
    exit when i = 2 or cardinality(v_needed_by) = 0;

    begin
      lock table singularity_workflow.runs in share row exclusive mode;
    exception when lock_not_available then
      raise exception using errcode = 'SW423',
        message = format('workflow %L cannot be deleted now: a transaction that starts or '
                         'changes runs has been open for long', p_name),
        hint = 'Try again when it has ended.';
    end;
  end loop;

  insert into singularity_workflow.deleted_flows (name, workflow_id)
  select p_name, v.workflow_id from unnest(v_versions) v (workflow_id);
  insert into singularity_workflow.deleted_flows (name, draft_id)
  select p_name, d.draft_id from singularity_workflow.flow_drafts d where d.name = p_name;

  delete from singularity_workflow.workflows w where w.workflow_id = any (v_versions);
  delete from singularity_workflow.flow_drafts d where d.name = p_name;
  get diagnostics v_hidden = row_count;
  v_hidden := v_hidden + cardinality(v_versions);

  if v_hidden = 0 and not exists (
       select from singularity_workflow.deleted_flows f where f.name = p_name) then
    raise exception using errcode = 'SW404',
      message = format('there is no workflow %L', p_name);
  end if;
  return v_hidden;
end;
$function$;

comment on function singularity_workflow.hide_workflow(text) is
  'Take the versions and the draft of a workflow away, unless it has live runs.';
