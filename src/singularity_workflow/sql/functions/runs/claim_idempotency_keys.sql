-- singularity_workflow.claim_idempotency_keys: let the first start with a key win.
--
-- Called by  start_runs, when a request carries a key
-- Locks      idempotency_keys in order of (workflow, key): two batches cannot deadlock
-- Errors     SW402 the key was used with another input
--
-- A one-statement upsert would return nothing to the loser of a race; so the keys are
-- inserted, which waits for a concurrent winner, and then read by a second statement.
create or replace function singularity_workflow.claim_idempotency_keys(p_requests json)
returns json          -- the requests, each with the run id that its key stands for
language plpgsql
volatile
set search_path = ''
as $function$
declare
  v_request record;
  v_run_id uuid;
  v_hash text;
  v_ids jsonb := '{}';
begin
  for v_request in
    select x.id, x.key, md5(coalesce(x.input::text, '')) as hash,
           coalesce(x.workflow, (select w.name from singularity_workflow.workflows w
                                 where w.workflow_id = x.workflow_id)) as workflow
    from json_to_recordset(p_requests)
      x (id uuid, workflow_id int, workflow text, key text, input json)
    where x.key is not null
    order by 4, 2
  loop
    loop
      insert into singularity_workflow.idempotency_keys as k (workflow_name, key, run_id, input_hash)
      values (v_request.workflow, v_request.key, v_request.id, v_request.hash)
      on conflict do nothing;

      -- locked: a deletion of its run would take the key away before this start commits
      select k.run_id, k.input_hash into v_run_id, v_hash
      from singularity_workflow.idempotency_keys k
      where k.workflow_name = v_request.workflow and k.key = v_request.key
      for key share;
      exit when found;
    end loop;

    if v_hash <> v_request.hash then
      raise exception using errcode = 'SW402',
        message = format('idempotency key %L of workflow %L was used with another input, by run %s',
                         v_request.key, v_request.workflow, v_run_id),
        hint = 'Use one key for one request; another input needs another key.';
    end if;
    v_ids := v_ids || jsonb_build_object(v_request.id::text, v_run_id);
  end loop;

  -- json, not jsonb, all the way: the input must keep its key order and its numbers
  return (
    select json_agg(case when v_ids ? i.id then (
        select json_object_agg(f.key, case f.key when 'id' then to_json(v_ids->>i.id) else f.value end)
        from (select * from json_each(x.value)
              union all select 'asked', to_json(i.id)) f)
      else x.value end)
    from json_array_elements(p_requests) x
    -- by way of uuid: a client may write its digits as capitals
    cross join lateral (select (x.value->>'id')::uuid::text as id) i);
end;
$function$;

comment on function singularity_workflow.claim_idempotency_keys(json) is
  'Replace the id of each keyed request by the id of the run that holds its key.';
