select singularity_workflow.find_flow(%(name)s::text);
