"""`/api/admin/`: the panel by REST, under the same rights and through the same flows."""
