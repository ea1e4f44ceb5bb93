select singularity_workflow.fire_timers(%(limit)s::integer, %(worker_id)s::uuid);
