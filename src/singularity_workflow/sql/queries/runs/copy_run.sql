select singularity_workflow.copy_run(
  %(run_id)s::uuid, %(new_id)s::uuid, %(from_step)s::text, %(owner)s::uuid, %(notify)s::boolean);
