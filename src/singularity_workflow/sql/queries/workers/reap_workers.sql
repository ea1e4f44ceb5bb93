select singularity_workflow.reap_workers(%(worker_id)s::uuid);
