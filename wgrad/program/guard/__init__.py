"""When a recorded program may run again: policies, and the state that they look at."""
