select singularity_workflow.create_flow(
  %(name)s::text, %(options)s::jsonb, %(input_schema)s::json);
