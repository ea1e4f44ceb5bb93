select singularity_workflow.failed_attempts(%(run_id)s::uuid, %(step)s, %(index)s);
