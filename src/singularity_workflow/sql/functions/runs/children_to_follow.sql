-- singularity_workflow.children_to_follow: child runs whose status their parents moved away from.
--
-- Called by  fire_batch, to lock them, and follow_parents
-- Locks      none
-- Errors     none
--
-- A child is cancelled when its parent has ended or does not wait for it any more, is
-- paused with its parent, and is resumed with it if it was paused that way. Each parent
-- has its share of the limit, so that one with very many children leaves room for others.
create or replace function singularity_workflow.children_to_follow(
  p_parents uuid[], p_limit integer
)
returns table (run_id uuid, action text, reason text)
language sql
stable
set search_path = ''
set enable_seqscan = off
set jit = off
as $function$
  select f.run_id, f.action, f.reason
  from unnest(p_parents) p (run_id)
  left join singularity_workflow.runs r on r.run_id = p.run_id
  cross join lateral (
    select c.run_id, a.action,
           case when r.status in ('failed', 'cancelled') then 'parent ' || r.status
                else 'parent does not wait' end as reason
    from singularity_workflow.runs c
    cross join lateral (
      select
           case when r.status is null or r.status in ('completed', 'failed', 'cancelled')
                  or not exists (
                    select from singularity_workflow.tasks t
                    where t.run_id = c.parent_run_id and t.step_no = c.parent_step_no
                      and t.task_index = c.parent_task_index and t.attempt = c.parent_attempt
                      and t.status = 'waiting' and t.wait_reason = 'child') then 'cancel'
                when r.status = 'paused' and c.status <> 'paused' then 'pause'
                when r.status = 'started' and c.status = 'paused'
                  and c.reason = 'parent paused' then 'resume' end as action) a
    where c.parent_run_id = p.run_id and c.status in ('pending', 'started', 'paused')
      and a.action is not null
    limit greatest(1, p_limit / cardinality(p_parents))) f;
$function$;

comment on function singularity_workflow.children_to_follow(uuid[], integer) is
  'Open child runs that have to be cancelled, paused or resumed with their parents.';
