"""Each module finds the right code among what was submitted; none of them counts tries, none of them spends by itself."""
