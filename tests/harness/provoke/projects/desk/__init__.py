"""The desk: screens, prompts, schedules, and what only Python itself refuses."""
