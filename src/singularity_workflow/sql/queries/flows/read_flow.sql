select singularity_workflow.read_flow(%(name)s::text);
