-- functions refer to each other in both directions: check bodies when all are there
set local check_function_bodies = off;
