"""Each module finds the right code among what was submitted; none of them counts tries or spends by itself."""
