"""What a plan is handed: data, models, teachers."""
