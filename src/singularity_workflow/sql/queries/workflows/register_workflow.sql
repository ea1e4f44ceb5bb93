select singularity_workflow.register_workflow(%(definition)s::jsonb, %(force)s::boolean);
