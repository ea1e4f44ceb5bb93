select singularity_workflow.run_status(%(run_id)s::uuid);
