"""Plain values of the social world: no input or output here."""
