-- singularity_workflow.check_options: what is wrong with the options of a step or workflow.
--
-- Called by  check_definition, for the workflow and for each step; create_flow and
--            add_flow_step
-- Locks      none
-- Errors     none: the caller picks the first problem
--
-- The bounds are those of model/options.py; a duration is at most a century, far below
-- what a timestamp can be moved by. An option that is null was not given, and one that
-- is not known here is the business of a newer client.
create or replace function singularity_workflow.check_options(p_options jsonb, p_pointer text)
returns table (pointer text, message text)
language sql
immutable
set search_path = ''
as $function$
  with given as (
    select o.key, o.value, p_pointer || '/' || o.key as pointer
    from jsonb_each(case jsonb_typeof(p_options) when 'object' then p_options else '{}' end) o
    where o.value <> 'null'
  ),
  members as (
    select g.key, g.value, g.pointer from given g
    union all
    select 'retry.' || m.key, m.value, g.pointer || '/' || m.key
    from given g
    cross join jsonb_each(case jsonb_typeof(g.value) when 'object' then g.value else '{}' end) m
    where g.key = 'retry' and m.value <> 'null'
  ),
  rules (key, lowest, highest, is_whole, above_lowest) as (
    values
      ('priority', -1000, 1000, true, false),
      ('max_attempts', 1, 2147483647, true, false),
      ('retry.max_attempts', 1, 2147483647, true, false),
      ('retry.backoff', 1, null, false, false),
      ('retry.delay', 0, 3153600000, false, false),
      ('retry.max_delay', 0, 3153600000, false, false),
      ('start_delay', 0, 3153600000, false, false),
      ('timeout', 0, 3153600000, false, true),
      ('queue_timeout', 0, 3153600000, false, true),
      ('max_lost', 1, 2147483647, true, false),
      ('max_concurrency', 1, 2147483647, true, false),
      ('deadline', 0, 3153600000, false, true)
  )
  select p_pointer, 'options must be an object'
  where p_options <> 'null' and jsonb_typeof(p_options) <> 'object'
  union all
  select m.pointer, format('%s = %s is not possible', m.key, m.value)
  from members m join rules r on r.key = m.key
  where case when jsonb_typeof(m.value) <> 'number' then true
             when r.is_whole and m.value::numeric <> trunc(m.value::numeric) then true
             when r.above_lowest and m.value::numeric = r.lowest then true
             else m.value::numeric < r.lowest or m.value::numeric > r.highest end
  union all
  select m.pointer, format('%s = %s is not possible', m.key, m.value)
  from members m
  where m.key in ('on_failure', 'on_unmet') and m.value not in ('"fail"', '"skip"', '"skip_cascade"')
     or m.key = 'on_error' and m.value not in ('"fail"', '"collect"', '"skip"')
     or m.key = 'retry' and jsonb_typeof(m.value) <> 'object'
     or m.key = 'retry.jitter' and jsonb_typeof(m.value) <> 'boolean'
     or m.key in ('when', 'when_not') and jsonb_typeof(m.value) not in ('object', 'string')
  union all
  select m.pointer, format('%s = %s is no SQL/JSON path', m.key, m.value)
  from members m
  where m.key in ('when', 'when_not') and jsonb_typeof(m.value) = 'string'
    and singularity_workflow.path_to_find(m.value #>> '{}') is null
  union all
  select m.pointer, format('%s is not a valid queue name', m.value)
  from members m
  where m.key = 'queue'
    and (jsonb_typeof(m.value) <> 'string' or m.value #>> '{}' !~ '^[a-zA-Z_][a-zA-Z0-9_]*$'
         or length(m.value #>> '{}') > 128);
$function$;

comment on function singularity_workflow.check_options(jsonb, text) is
  'The problems of an options object, each with its JSON pointer.';
