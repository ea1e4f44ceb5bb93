select singularity_workflow.list_workflows(%(name)s::text);
