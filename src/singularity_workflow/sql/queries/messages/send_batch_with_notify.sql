select singularity_workflow.send_batch_with_notify(%(queue)s::text, %(messages)s::jsonb, %(headers)s::jsonb);
