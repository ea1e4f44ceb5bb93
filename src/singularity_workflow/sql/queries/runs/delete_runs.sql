select singularity_workflow.delete_runs(%(run_ids)s::uuid[], %(limit)s::integer);
