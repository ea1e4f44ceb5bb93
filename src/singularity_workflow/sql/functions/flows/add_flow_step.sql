-- singularity_workflow.add_flow_step: add a step to a dynamic workflow.
--
-- Called by  Store.add_flow_step; public
-- Locks      advisory lock on the name (claim_flow_name)
-- Errors     SW400 a step that is not possible, with the JSON pointer of the problem in
--            `detail`; SW404 no such workflow; SW410
--
-- The step is an object as in the "steps" of register_workflow. The same step again is no
-- second one, and keeps its options; with other dependencies it is refused. Of a workflow
-- that was started already, a draft is opened that is a copy of its latest version: its
-- runs keep theirs.
create or replace function singularity_workflow.add_flow_step(p_flow text, p_step jsonb)
returns jsonb                 -- {step, step_no, outcome: added | existing}
language plpgsql
volatile
set search_path = ''
as $function$
declare
  c_members constant text[] := array['name', 'kind', 'depends_on', 'over', 'initial_tasks', 'workflow', 'options'];
  v_name text;
  v_kind text;
  v_over text;
  v_depends_on text[];
  v_initial_tasks integer;
  v_options jsonb;
  v_draft_id bigint;
  v_version integer;
  v_known record;
  v_problem record;
  v_step_no smallint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform singularity_workflow.refuse_isolation();
  end if;
  if not singularity_workflow.claim_flow_name(p_flow) then
    raise exception using errcode = 'SW404',
      message = format('there is no workflow %L', p_flow),
      hint = 'Open it first, with create_flow.';
  end if;

  if jsonb_typeof(p_step) is distinct from 'object' then
    raise exception using errcode = 'SW400', message = 'a step is an object with a "name"';
  end if;
  v_name := p_step->>'name';
  v_kind := coalesce(p_step->>'kind', 'single');
  v_over := p_step->>'over';
  v_options := coalesce(nullif(p_step->'options', 'null'), '{}');
  select array_agg(n.name order by n.place) into v_depends_on
  from (select d.value as name, min(d.ordinality) as place
        from jsonb_array_elements_text(
          case jsonb_typeof(p_step->'depends_on')
            when 'array' then p_step->'depends_on' else '[]' end) with ordinality d
        group by d.value) n;
  v_depends_on := coalesce(v_depends_on, '{}');
  if v_kind = 'map' and v_over is null and cardinality(v_depends_on) = 1 then
    v_over := v_depends_on[1];
  end if;

  select p.pointer, p.message, p.hint into v_problem
  from (
    select 1 as place, '/' || m.key as pointer, format('a step has no member %L', m.key) as message,
           'The members are name, kind, depends_on, over, initial_tasks, workflow and options.' as hint
    from jsonb_object_keys(p_step) m (key) where m.key <> all (c_members)
    union all
    select 2, '/name', format('%L is not a valid step name', v_name),
           'Use up to 128 letters, digits and underscores, no digit first, no reserved word.'
    where v_name is null or v_name !~ '^[a-zA-Z_][a-zA-Z0-9_]*$' or length(v_name) > 128
       or lower(v_name) in ('input', 'run_input', 'ctx', 'item', 'index')
       or jsonb_typeof(p_step->'name') <> 'string'
    union all
    select 3, '/kind', format('%L is not a kind of step', v_kind), 'The kinds are single and map.'
    where v_kind not in ('single', 'map')
    union all
    select 4, '/depends_on', 'depends_on must be an array of names', null
    where case jsonb_typeof(p_step->'depends_on')
            when 'array' then jsonb_path_exists(p_step->'depends_on', 'strict $[*] ? (@.type() != "string")')
            when 'null' then false else p_step ? 'depends_on' end
    union all
    select 5, '/depends_on', format('step %L depends on itself', v_name), null
    where v_name = any (v_depends_on)
    union all
    select 6, '/' || o.key, format('%s is an option of map steps', o.key), 'Make it a map step.'
    from unnest(array['over', 'initial_tasks']) o (key)
    where v_kind <> 'map' and p_step->>o.key is not null
    union all
    select 7, '/over',
           format('map step %L must name, in "over", the one dependency that it maps over', v_name),
           format('Its dependencies are %s.', array_to_string(v_depends_on[1:12], ', '))
    where v_kind = 'map'
      and (v_over is null and cardinality(v_depends_on) > 1
           or v_over is not null and v_over <> all (v_depends_on))
    union all
    select 8, '/initial_tasks', 'initial_tasks must be an integer >= 0', null
    where p_step->>'initial_tasks' is not null and p_step->>'initial_tasks' !~ '^[0-9]{1,9}$'
    union all
    select 8, '/options/' || o.key, format('%s is an option of map steps', o.key), 'Make it a map step.'
    from unnest(array['max_concurrency', 'on_error']) o (key)
    where v_kind <> 'map' and jsonb_typeof(v_options) = 'object' and v_options->>o.key is not null
    union all
    select 8, '/workflow', format('%s is not a valid workflow name', p_step->'workflow'), null
    where p_step->'workflow' <> 'null'
      and (jsonb_typeof(p_step->'workflow') <> 'string' or p_step->>'workflow' !~ '^[a-zA-Z_][a-zA-Z0-9_]*$'
           or length(p_step->>'workflow') > 128)
    union all
    select 9, o.pointer, o.message, null
    from singularity_workflow.check_options(v_options, '/options') o
  ) p
  order by p.place, p.pointer limit 1;
  if found then
    raise exception using errcode = 'SW400', message = v_problem.message,
      detail = v_problem.pointer, hint = coalesce(v_problem.hint, '');
  end if;
  v_initial_tasks := (p_step->>'initial_tasks')::integer;

  select d.draft_id into v_draft_id
  from singularity_workflow.flow_drafts d where d.name = p_flow;
  if v_draft_id is not null then
    select s.step_no, s.name, s.kind, s.depends_on, s.over, s.initial_tasks, s.child_workflow
    into v_known
    from singularity_workflow.flow_draft_steps s
    where s.draft_id = v_draft_id and lower(s.name) = lower(v_name);
  else
    v_version := singularity_workflow.latest_version(p_flow);
    select s.step_no, s.name, s.kind, array(
             select p.name
             from singularity_workflow.workflow_step_dependencies e
             join singularity_workflow.workflow_steps p
               on p.workflow_id = e.workflow_id and p.step_no = e.depends_on_no
             where e.workflow_id = s.workflow_id and e.step_no = s.step_no
             order by p.step_no) as depends_on,
           o.name as over, s.initial_tasks, s.child_workflow into v_known
    from singularity_workflow.workflow_steps s
    left join singularity_workflow.workflow_steps o
      on o.workflow_id = s.workflow_id and o.step_no = s.over_step_no
    where s.workflow_id = v_version and lower(s.name) = lower(v_name);
  end if;

  if found and v_known.name <> v_name then
    raise exception using errcode = 'SW400', detail = '/name',
      message = format('steps %L and %L of workflow %L differ only by case', v_known.name, v_name, p_flow),
      hint = 'Give one of them another name.';
  elsif found and v_known.kind = v_kind
        and v_known.depends_on @> v_depends_on and v_known.depends_on <@ v_depends_on
        and v_known.over is not distinct from v_over
        and v_known.initial_tasks is not distinct from v_initial_tasks
        and v_known.child_workflow is not distinct from p_step->>'workflow' then
    return jsonb_build_object('step', v_name, 'step_no', v_known.step_no, 'outcome', 'existing');
  elsif found then
    raise exception using errcode = 'SW400', detail = '/depends_on',
      message = format('step %L of workflow %L exists, as %s step with %s', v_name, p_flow,
        case v_known.kind when 'map' then 'a map' else 'a single' end,
        case when v_known.depends_on = '{}' then 'no dependencies'
             else 'the dependencies ' || array_to_string(v_known.depends_on[1:12], ', ') end),
      hint = 'Steps are added and not changed: take another name, or save the whole flow anew.';
  end if;

  if v_draft_id is null then
    v_draft_id := singularity_workflow.open_draft(p_flow);
  end if;

  select n.name into v_problem
  from unnest(v_depends_on) with ordinality n (name, place)
  where not exists (
    select from singularity_workflow.flow_draft_steps s
    where s.draft_id = v_draft_id and lower(s.name) = lower(n.name) and s.name = n.name)
  order by n.place limit 1;
  if found then
    raise exception using errcode = 'SW400', detail = '/depends_on',
      message = format('step %L depends on %L, which does not exist in workflow %L',
                       v_name, v_problem.name, p_flow),
      hint = 'Add that step first. ' || coalesce((
        select format('The last ones that were added are %s.', string_agg(l.name, ', ' order by l.step_no))
        from (select s.name, s.step_no from singularity_workflow.flow_draft_steps s
              where s.draft_id = v_draft_id order by s.step_no desc limit 8) l), 'There is none yet.');
  end if;

  select coalesce(max(s.step_no) + 1, 0) into v_step_no
  from singularity_workflow.flow_draft_steps s
  where s.draft_id = v_draft_id and s.step_no < 32767;
  if v_step_no = 32767 then
    raise exception using errcode = 'SW400', detail = '/steps',
      message = format('workflow %L has 32767 steps, more are not possible', p_flow);
  end if;

  insert into singularity_workflow.flow_draft_steps
    (draft_id, step_no, name, kind, depends_on, over, initial_tasks, child_workflow, options)
  values (v_draft_id, v_step_no, v_name, v_kind, v_depends_on, v_over, v_initial_tasks,
          p_step->>'workflow', v_options);
  return jsonb_build_object('step', v_name, 'step_no', v_step_no, 'outcome', 'added');
end;
$function$;

comment on function singularity_workflow.add_flow_step(text, jsonb) is
  'Add a step to the draft of a workflow; the same one twice is one.';
