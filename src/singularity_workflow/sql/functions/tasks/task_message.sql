-- singularity_workflow.task_message: the body of the message that announces a task.
--
-- Called by  whatever queues a task
-- Locks      none
-- Errors     none
--
-- Only what a claim needs: the queue and key that its index orders by, and the task.
-- A task that was lost before waits in a lane of its own, the queue's name with a
-- trailing "!": a worker takes one such task at a time, so that the one that kills its
-- worker does not take others with it.
create or replace function singularity_workflow.task_message(
  p_queue text, p_k bigint, p_run_id uuid, p_step_no smallint, p_task_index integer,
  p_was_lost boolean default false
)
returns jsonb
language sql
stable
as $function$
  select jsonb_build_object('queue', case when p_was_lost then p_queue || '!' else p_queue end, 'k', p_k, 'run', p_run_id,
                            'step', p_step_no, 'task', p_task_index);
$function$;

comment on function singularity_workflow.task_message(text, bigint, uuid, smallint, integer, boolean) is
  'The message of a queued task. Without a search_path of its own, so that it is inlined.';
