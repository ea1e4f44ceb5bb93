select singularity_workflow.run_event_state(%(run_id)s::uuid);
