select singularity_workflow.run_results(%(run_ids)s::uuid[]);
