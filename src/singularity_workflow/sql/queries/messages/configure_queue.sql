select singularity_workflow.configure_queue(%(queue)s::text, %(retention)s::interval);
