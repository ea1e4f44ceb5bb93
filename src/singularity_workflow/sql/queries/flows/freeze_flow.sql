select singularity_workflow.freeze_flow(%(name)s::text, %(input_schema)s::json);
