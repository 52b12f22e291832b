"""A job that starts by itself: systemd's units, or a line for cron."""
