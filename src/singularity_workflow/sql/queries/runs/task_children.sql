select singularity_workflow.task_children(%(run_id)s::uuid, %(step)s, %(index)s);
