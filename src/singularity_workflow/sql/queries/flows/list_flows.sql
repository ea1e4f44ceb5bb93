select singularity_workflow.list_flows(%(after)s::text, %(limit)s::integer);
