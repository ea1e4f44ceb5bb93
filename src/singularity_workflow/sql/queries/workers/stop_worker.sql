select singularity_workflow.stop_worker(%(worker_id)s::uuid);
