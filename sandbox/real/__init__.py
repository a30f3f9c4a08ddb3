"""A real API server and a real External Secrets Operator on this machine, without containers."""
