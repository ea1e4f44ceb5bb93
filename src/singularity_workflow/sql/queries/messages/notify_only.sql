select singularity_workflow.notify_only(%(channel)s::text, %(payload)s::text);
