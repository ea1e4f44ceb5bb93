select singularity_workflow.send_with_notify(%(queue)s::text, %(message)s::jsonb, %(headers)s::jsonb);
