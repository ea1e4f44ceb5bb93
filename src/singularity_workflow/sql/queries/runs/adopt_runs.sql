select singularity_workflow.adopt_runs(%(owner)s::uuid, %(workflow_ids)s::integer[], %(limit)s::integer);
