select singularity_workflow.list_runs(%(filter)s::jsonb, %(before)s::uuid, %(limit)s::integer);
