select singularity_workflow.read_workflow(%(workflow_id)s::integer);
