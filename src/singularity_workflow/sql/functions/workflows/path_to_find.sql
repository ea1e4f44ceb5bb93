-- singularity_workflow.path_to_find: an SQL/JSON path that finds something if it holds.
--
-- Called by  condition_to_find; check_options to tell whether a path is one
-- Locks      none
-- Errors     none: null for what is no path
--
-- A path may be a predicate, as in `$.total > 100`, or point at something, as in
-- `$.items[*] ? (@.total > 100)`. The first yields true, false or null, and would
-- always be found; as a filter it finds something if it is true, and nothing if not. What
-- it filters is the type of the root: the root itself is taken apart if it is an array,
-- and an empty one has nothing that a filter could let through.
create or replace function singularity_workflow.path_to_find(p_path text)
returns text
language plpgsql
immutable
set search_path = ''
as $function$
declare
  v_path jsonpath;
begin
  begin
    v_path := p_path::jsonpath;
  exception when others then
    return null;
  end;
  -- the filter takes predicates only; the mode of the path must stay in front, where the
  -- path's own text, unlike what was given, has no comment before it
  begin
    return (regexp_replace(v_path::text, '^(strict )?(.*)$', '\1$.type() ? (\2)'))::jsonpath::text;
  exception when others then
    return v_path::text;
  end;
end;
$function$;

comment on function singularity_workflow.path_to_find(text) is
  'The path as one for jsonb_path_exists; null if it is not valid.';
