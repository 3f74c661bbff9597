"""Pure functions of the second factor: no Django, no clock, no input or output."""
