"""The faces of the server. Each parses, calls a service and presents; none has a rule of its own."""
