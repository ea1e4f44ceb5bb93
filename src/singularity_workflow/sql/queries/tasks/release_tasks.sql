select singularity_workflow.release_tasks(%(tasks)s::json);
