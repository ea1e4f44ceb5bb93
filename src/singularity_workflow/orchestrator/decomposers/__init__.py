"""Who makes plans of goals: rules, methods, language models, recordings."""
