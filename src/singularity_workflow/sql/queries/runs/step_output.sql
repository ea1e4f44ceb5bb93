select singularity_workflow.step_output(%(run_id)s::uuid, %(step)s);
