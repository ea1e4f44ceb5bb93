select singularity_workflow.keep_goal_plan(
  %(key)s, %(goal_hash)s, %(decomposer)s, %(version)s, %(tree)s::json,
  make_interval(secs => %(seconds)s::float8));
