select singularity_workflow.fire_timers(%(limit)s::integer);
