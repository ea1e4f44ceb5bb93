select singularity_workflow.cancel_runs(%(run_ids)s::uuid[], %(reason)s::text);
