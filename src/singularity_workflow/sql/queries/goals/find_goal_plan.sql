select singularity_workflow.find_goal_plan(%(key)s);
