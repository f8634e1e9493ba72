"""What makes a step fast and changes no result: memory order, number of threads, compiled and captured passes."""
