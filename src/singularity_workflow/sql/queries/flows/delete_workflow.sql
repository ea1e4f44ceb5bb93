select singularity_workflow.delete_workflow(
  %(name)s::text, %(limit)s::integer, %(after)s::uuid);
