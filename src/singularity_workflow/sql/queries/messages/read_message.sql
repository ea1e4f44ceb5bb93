select singularity_workflow.read_message(%(queue)s::text, %(id)s::bigint);
