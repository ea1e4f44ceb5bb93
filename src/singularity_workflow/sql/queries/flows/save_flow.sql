select singularity_workflow.save_flow(%(definition)s::jsonb);
