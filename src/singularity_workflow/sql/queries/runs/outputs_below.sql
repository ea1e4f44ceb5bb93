select singularity_workflow.outputs_below(%(run_id)s::uuid, %(steps)s::text[], %(member)s);
