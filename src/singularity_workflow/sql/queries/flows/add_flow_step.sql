select singularity_workflow.add_flow_step(%(flow)s::text, %(step)s::jsonb);
