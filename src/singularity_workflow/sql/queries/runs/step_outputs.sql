select singularity_workflow.step_outputs(%(run_id)s::uuid);
