"""What authors and users of plugins need beside the server: starting one, reviewing one, controlling what it offers."""
