select singularity_workflow.drain_workers(%(worker_ids)s::uuid[]);
