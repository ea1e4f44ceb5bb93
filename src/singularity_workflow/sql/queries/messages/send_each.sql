select singularity_workflow.send_each(%(items)s::jsonb);
