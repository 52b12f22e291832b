"""What a run tells, made visible: a screen, plain lines, a log, the closing words."""
