select singularity_workflow.start_runs(%(requests)s::json, %(owner)s::uuid, %(slots)s::integer, %(notify)s::boolean);
