"""What state access costs an execution environment: conflicts, schedules; stands on traces."""
