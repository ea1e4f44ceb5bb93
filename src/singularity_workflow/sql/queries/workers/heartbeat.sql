select singularity_workflow.heartbeat(%(worker_id)s::uuid, %(known)s::json, %(sweep)s::boolean);
