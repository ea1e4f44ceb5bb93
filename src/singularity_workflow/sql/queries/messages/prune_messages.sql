select singularity_workflow.prune_messages(%(limit)s::integer);
