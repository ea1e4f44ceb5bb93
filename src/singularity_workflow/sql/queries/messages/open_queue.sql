select singularity_workflow.open_queue(%(queue)s::text);
