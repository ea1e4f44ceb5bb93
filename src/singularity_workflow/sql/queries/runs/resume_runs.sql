select singularity_workflow.resume_runs(%(run_ids)s::uuid[]);
