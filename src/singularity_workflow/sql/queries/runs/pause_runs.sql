select singularity_workflow.pause_runs(%(run_ids)s::uuid[]);
